function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

const TRIES = 5;
const ANSWER = 3000; // milliseconds that the kernel has to answer
/** Tabs as the keyboard knows them: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ */
const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

class HeadView {
  constructor(model, el) {
    this.model = model;
    this.root = element('div', 'rx-Head');
    this.title = element('h2', 'rx-Head-title');
    this.list = element('div', 'rx-Head-tabs');
    this.list.setAttribute('role', 'tablist');
    this.list.setAttribute('aria-label', 'What is listed');
    this.list.addEventListener('keydown', event => this.moved(event));
    this.root.append(this.title, this.list);
    el.append(this.root);
    this.draw();
  }

  /** Shown at once, and said in a message of its own: `save_changes` keeps a value back until the kernel was idle. */
  show(name) {
    if (name === this.model.get('tab')) return;
    this.model.set('tab', name);
    this.ask(name, TRIES);
  }

  /** Ask the kernel for a tab, again if it does not answer: what is sent to one that has just started can be lost. */
  ask(name, tries) {
    this.rest();
    if (tries === 0) return;
    this.model.send({ asked: { tab: name } });
    this.waiting = setTimeout(() => this.ask(name, tries - 1), ANSWER);
  }

  /** The kernel has answered, or nobody asks any more. */
  rest() {
    clearTimeout(this.waiting);
  }

  moved(event) {
    const step = STEPS[event.key];
    if (step === undefined) return;
    const all = [...this.list.children];
    const here = all.indexOf(document.activeElement);
    const next = Number.isFinite(step) ? (here + step + all.length) % all.length : step < 0 ? 0 : all.length - 1;
    all[next].focus();
    all[next].click();
    event.preventDefault();
  }

  draw() {
    this.title.textContent = this.model.get('project');
    this.title.title = this.model.get('place');
    const tabs = this.model.get('tabs');
    const told = JSON.stringify(tabs);
    if (told !== this.told) {
      this.told = told;
      this.list.replaceChildren(...tabs.map(each => this.button(each)));
    }
    for (const button of this.list.children) {
      const chosen = button.dataset.tab === this.model.get('tab');
      button.setAttribute('aria-selected', String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
  }

  button({ name, label }) {
    const button = element('button', 'rx-Head-tab', label);
    button.type = 'button';
    button.dataset.tab = name;
    button.setAttribute('role', 'tab');
    button.addEventListener('click', () => this.show(name));
    return button;
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
  const view = new HeadView(model, el);
  const draw = () => view.draw();
  const answered = message => message.took && view.rest();
  const unwatch = watchSight(model, view.root);
  const events = ['project', 'place', 'tabs', 'tab'].map(name => `change:${name}`);
  for (const event of events) model.on(event, draw);
  model.on('msg:custom', answered);
  return () => {
    unwatch();
    view.rest();
    model.off('msg:custom', answered);
    for (const event of events) model.off(event, draw);
  };
}

export default { render };
