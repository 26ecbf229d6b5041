const TYPING = 250; // milliseconds without a key before the search starts

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

class BarView {
  constructor(model, el) {
    this.model = model;
    this.root = element('div', 'rx-Bar');
    this.title = element('h2', 'rx-Bar-title');
    this.input = element('input', 'rx-Bar-search');
    this.input.type = 'search';
    this.input.placeholder = 'Search: name, status, lr=0.1';
    this.input.setAttribute('aria-label', 'Search runs');
    this.input.addEventListener('input', () => this.typed());
    this.metric = element('select', 'rx-Bar-metric');
    this.metric.setAttribute('aria-label', 'Metric in the list');
    this.metric.addEventListener('change', () => this.tell('metric', this.metric.value));
    this.filter = element('div', 'rx-Bar-filter');
    this.root.append(this.title, this.input, this.metric, this.filter);
    el.append(this.root);
    this.draw();
  }

  tell(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell('search', this.input.value.trim()), TYPING);
  }

  draw() {
    const search = this.model.get('search');
    this.title.textContent = this.model.get('project');
    this.title.title = this.model.get('place');
    if (this.input.value.trim() !== search && document.activeElement !== this.input) this.input.value = search;
    this.drawMetrics();
    this.input.hidden = this.model.get('total') === 0;
    const words = search.split(/\s+/).filter(Boolean);
    this.filter.hidden = words.length === 0;
    const count = element('span', 'rx-Bar-count', `${this.model.get('shown')} of ${this.model.get('total')} shown`);
    count.setAttribute('role', 'status');
    this.filter.replaceChildren(...words.map((word, place) => this.chip(words, place)), count);
  }

  drawMetrics() {
    const keys = this.model.get('metrics');
    if (this.drawn !== keys.join('\n')) {
      this.drawn = keys.join('\n');
      this.metric.replaceChildren(new Option('metric: auto', ''), ...keys.map(key => new Option(key, key)));
    }
    this.metric.value = this.model.get('metric');
    this.metric.hidden = keys.length < 2;
  }

  chip(words, place) {
    const chip = element('button', 'rx-Bar-chip', `${words[place]} ✕`);
    chip.type = 'button';
    chip.setAttribute('aria-label', `Remove filter ${words[place]}`);
    chip.addEventListener('click', () => {
      const rest = words.filter((_, other) => other !== place).join(' ');
      clearTimeout(this.timer);
      this.input.value = rest;
      this.tell('search', rest);
      this.input.focus();
    });
    return chip;
  }
}

/** Tell the kernel when this view comes into sight and when it goes, so that nobody works for a hidden panel. */
function watchSight(model, node) {
  const view = Math.random().toString(36).slice(2);
  let told = false;
  const tell = visible => {
    if (visible === told) return;
    told = visible;
    try {
      model.send({ view, visible });
    } catch {
      // The kernel is gone, and with it the work.
    }
  };
  const look = () => tell(!document.hidden && node.offsetWidth > 0);
  const sizes = new ResizeObserver(look);
  sizes.observe(node);
  document.addEventListener('visibilitychange', look);
  return () => {
    sizes.disconnect();
    document.removeEventListener('visibilitychange', look);
    tell(false);
  };
}

function render({ model, el }) {
  const view = new BarView(model, el);
  const draw = () => view.draw();
  const unwatch = watchSight(model, view.root);
  const events = ['project', 'place', 'search', 'shown', 'total', 'metrics', 'metric'].map(name => `change:${name}`);
  for (const event of events) model.on(event, draw);
  return () => {
    clearTimeout(view.timer);
    unwatch();
    for (const event of events) model.off(event, draw);
  };
}

export default { render };
