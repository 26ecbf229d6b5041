const NEAR = 24; // pixels from the end within which the reader counts as being there

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function button(label, onClick, className = '') {
  const node = element('button', `rx-Output-button ${className}`, label);
  node.type = 'button';
  node.addEventListener('click', onClick);
  return node;
}

class OutputView {
  constructor(model, el) {
    this.model = model;
    this.follows = true;
    this.root = element('section', 'rx-Output');
    this.details = element('details');
    this.summary = element('summary');
    this.notice = element('div', 'rx-Output-notice');
    this.words = element('span');
    this.all = button('Show all', () => this.tell('whole', true));
    this.notice.append(this.words, this.all);
    this.pre = element('pre');
    this.pre.tabIndex = 0;
    this.pre.setAttribute('role', 'log');
    this.pre.setAttribute('aria-live', 'off'); // a screen reader could never keep up
    this.newest = button('↓ newest', () => this.toEnd(), 'rx-Output-newest');
    const box = element('div', 'rx-Output-box');
    box.append(this.pre, this.newest);
    this.details.append(this.summary, this.notice, box);
    this.root.append(this.details);
    el.append(this.root);
    this.details.open = model.get('opened');
    this.details.addEventListener('toggle', () => this.toggled());
    this.pre.addEventListener('scroll', () => this.scrolled());
    this.resizes = new ResizeObserver(() => this.follows && this.pin());
    this.resizes.observe(this.pre);
  }

  pin() {
    this.pre.scrollTop = this.pre.scrollHeight;
    this.size = this.sizes();
  }

  sizes() {
    return `${this.pre.scrollHeight} ${this.pre.clientHeight}`;
  }

  tell(name, value) {
    if (this.model.get(name) === value) return;
    this.model.set(name, value);
    this.model.save_changes();
  }

  toggled() {
    this.tell('opened', this.details.open);
    if (this.details.open) this.draw();
  }

  /** Text that is laid out anew scrolls too: only where it lies as it did before was it the reader. */
  scrolled() {
    if (this.follows && this.size !== this.sizes()) {
      this.pin();
      return;
    }
    const fromEnd = this.pre.scrollHeight - this.pre.clientHeight - this.pre.scrollTop;
    const follows = fromEnd < NEAR;
    if (follows === this.follows) return;
    this.follows = follows;
    this.draw();
  }

  toEnd() {
    this.follows = true;
    getSelection()?.removeAllRanges();
    this.draw();
  }

  /** Whether text is marked in here, which a new text would take away. */
  marked() {
    const chosen = getSelection();
    return Boolean(chosen && !chosen.isCollapsed && this.pre.contains(chosen.anchorNode));
  }

  draw() {
    const { model } = this;
    const label = model.get('label');
    this.root.hidden = label === '';
    this.summary.textContent = label;
    this.pre.setAttribute('aria-label', label);
    this.details.open = model.get('opened');
    this.words.textContent = model.get('notice');
    this.all.hidden = !model.get('more');
    this.notice.hidden = model.get('notice') === '' && !model.get('more');
    this.drawText();
  }

  /** What its reader looks at stays as it is: until they come back to the end, only a button tells of newer text. */
  drawText() {
    const wanted = `${this.model.get('of')} ${this.model.get('whole')}`;
    const text = this.model.get('text');
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.follows = true;
      this.pre.textContent = '';
    }
    const stays = this.pre.textContent !== '' && (!this.follows || this.marked());
    const differs = text !== this.pre.textContent;
    if (differs && !stays) this.pre.textContent = text;
    this.pre.hidden = text === '';
    this.newest.hidden = !(differs && stays);
    if (this.follows && !stays) this.pin();
  }
}

function render({ model, el }) {
  const view = new OutputView(model, el);
  const draw = () => view.draw();
  const names = ['label', 'text', 'notice', 'of', 'opened', 'more', 'whole'].map(name => `change:${name}`);
  for (const name of names) model.on(name, draw);
  draw();
  return () => {
    for (const name of names) model.off(name, draw);
    view.resizes.disconnect();
  };
}

export default { render };
