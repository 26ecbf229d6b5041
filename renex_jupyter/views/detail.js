// `SECOND`, `durationText` and `elapsedText` are of times.js, which detail.py puts before this, as one module.
function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

function button(label, onClick, name) {
  const node = element('button', 'rx-Detail-button', label);
  node.type = 'button';
  if (name) node.setAttribute('aria-label', name);
  node.addEventListener('click', onClick);
  return node;
}

/** Pages that are not served over HTTPS have no clipboard of the new kind. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element('textarea', 'rx-Detail-offscreen');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

function section(label, body, count, open = true) {
  const details = element('details', 'rx-Detail-section');
  details.open = open;
  details.dataset.label = label;
  details.append(element('summary', '', count === undefined ? label : `${label} (${count})`), body);
  return details;
}

function table(head, rows) {
  const node = element('table');
  if (head) {
    const tr = element('tr');
    tr.append(...head.map(label => Object.assign(element('th', '', label), { scope: 'col' })));
    node.append(element('thead'));
    node.tHead.append(tr);
  }
  const body = element('tbody');
  for (const [first, ...rest] of rows) {
    const tr = element('tr');
    const name = Object.assign(element('th', '', first), { scope: 'row', title: first });
    tr.append(name, ...rest.map(text => Object.assign(element('td', '', text), { title: text ?? '' })));
    body.append(tr);
  }
  node.append(body);
  return node;
}

const PARTS = {
  title(title, view) {
    const head = element('div', 'rx-Detail-head');
    const name = element('h3', '', title.text);
    name.title = title.text;
    if (title.wraps) name.dataset.wraps = '';
    head.append(name);
    if (title.closable) head.append(button('✕', () => view.model.send({ action: 'close' }), 'Close the details'));
    const under = element('div', 'rx-Detail-under');
    if (title.status) {
      const status = element('span', 'rx-Detail-status', title.status);
      status.dataset.status = title.status;
      under.append(status);
    }
    under.append(element('code', '', title.id));
    if (title.since) {
      const elapsed = element('span', 'rx-Detail-elapsed', elapsedText(title.since));
      elapsed.dataset.since = title.since;
      under.append(elapsed);
    } else if (title.seconds !== null && title.seconds !== undefined) {
      under.append(element('span', '', durationText(title.seconds)));
    }
    const box = element('div');
    box.append(head, under);
    return box;
  },
  error: error => element('pre', 'rx-Detail-error', error),
  chips: chips => chipsNode(chips),
  facts: facts => table(null, facts),
  metrics(metrics) {
    const rows = metrics.map(each => [each.key, each.last, each.low, each.high, each.points]);
    return section('Metrics', table(['metric', 'last', 'min', 'max', 'points'], rows), metrics.length);
  },
  values: values => section('Metrics', table(null, values), values.length),
  changes(changes) {
    return section('Changes', table(['field', 'before', 'after'], changes), changes.length);
  },
  metadata: metadata => section('Metadata', table(null, metadata), metadata.length),
  params: params => section('Parameters', table(null, params), params.length),
  tags: tags => section('Tags', table(null, tags), tags.length),
  files({ changes, count }) {
    const list = element('ul');
    for (const [sign, path, note] of changes) {
      const item = element('li');
      item.append(element('span', 'rx-Detail-sign', sign), element('span', 'rx-Detail-path', path));
      if (note) item.append(element('span', 'rx-Detail-holds', note));
      list.append(item);
    }
    return section('Files', list, count);
  },
  snapshots(snapshots) {
    const list = element('ul');
    for (const each of snapshots) {
      const item = element('li');
      item.append(element('span', 'rx-Detail-when', each.when), element('code', '', each.id));
      if (each.message) item.append(element('span', '', each.message));
      item.append(element('span', 'rx-Detail-holds', each.holds));
      list.append(item);
    }
    return section('Snapshots', list);
  },
  said(sections) {
    const box = element('div');
    for (const { label, open, items } of sections) {
      const list = element('ul');
      for (const each of items) {
        const item = element('li');
        const text = each.state ? verdictNode(each) : element('span', 'rx-Detail-words', each.text);
        item.append(text, element('span', 'rx-Detail-holds', each.by));
        list.append(item);
      }
      box.append(section(label, list, items.length, open));
    }
    return box;
  }
};

class DetailView {
  constructor(model, el) {
    this.model = model;
    this.root = element('section', 'rx-Detail');
    this.places = new Map(); // part -> { place, told }
    for (const part of Object.keys(PARTS)) {
      const place = element('div', `rx-Detail-${part}`);
      this.places.set(part, { place, told: undefined });
      this.root.append(place);
      if (part === 'title') {
        this.actions = element('div', 'rx-Detail-actions');
        this.root.append(this.actions);
      }
    }
    el.append(this.root);
  }

  /** Only what changed is drawn again, so that marked text and closed sections stay as they are. */
  draw() {
    const content = this.model.get('content');
    this.root.hidden = Object.keys(content).length === 0;
    for (const [part, entry] of this.places) {
      const told = JSON.stringify(content[part] ?? null);
      if (told === entry.told) continue;
      entry.told = told;
      const open = new Map([...entry.place.querySelectorAll('details')].map(each => [each.dataset.label, each.open]));
      const value = content[part];
      const some = value !== undefined && value !== null && value.length !== 0;
      entry.place.replaceChildren(...(some ? [PARTS[part](value, this)] : []));
      for (const details of entry.place.querySelectorAll('details')) {
        details.open = open.get(details.dataset.label) ?? details.open;
      }
    }
  }

  drawActions() {
    const focused = this.actions.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    this.actions.replaceChildren(...this.model.get('actions').flatMap(action => this.actionNodes(action)));
    if (focused) this.actions.querySelector(`[data-action="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  actionNodes(action) {
    const node = button(action.label, () => (action.confirm ? this.ask(action, node) : this.act(action, node)));
    node.dataset.action = action.name;
    node.disabled = Boolean(action.disabled);
    node.title = action.hint ?? '';
    if (!action.note) return [node];
    const note = element('span', 'rx-Detail-note', action.note);
    note.setAttribute('role', 'status');
    return [node, note];
  }

  /** The question stands where the button stood, and the safe answer has the focus. */
  ask(action, node) {
    const question = element('div', 'rx-Detail-question');
    question.setAttribute('role', 'group');
    question.setAttribute('aria-label', action.confirm);
    const back = () => {
      question.replaceWith(node);
      node.focus({ preventScroll: true });
    };
    const yes = button(action.yes, () => {
      back();
      this.act(action, node);
    });
    yes.classList.add('rx-mod-warn');
    const no = button('No', back);
    question.append(element('span', '', action.confirm), yes, no);
    question.addEventListener('keydown', event => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      back();
    });
    node.replaceWith(question);
    no.focus({ preventScroll: true });
  }

  tick() {
    if (document.hidden) return;
    for (const node of this.root.querySelectorAll('.rx-Detail-elapsed')) {
      node.textContent = elapsedText(Number(node.dataset.since));
    }
  }

  async act(action, node) {
    if (action.name !== 'copy') {
      this.model.send({ action: action.name, of: action.of ?? '' });
      return;
    }
    await copy(action.text);
    node.textContent = 'Copied';
    setTimeout(() => (node.textContent = action.label), 1200);
  }
}

function render({ model, el }) {
  const view = new DetailView(model, el);
  const draw = () => view.draw();
  const actions = () => view.drawActions();
  model.on('change:content', draw);
  model.on('change:actions', actions);
  draw();
  actions();
  const timer = setInterval(() => view.tick(), SECOND);
  return () => {
    clearInterval(timer);
    model.off('change:content', draw);
    model.off('change:actions', actions);
  };
}

export default { render };
