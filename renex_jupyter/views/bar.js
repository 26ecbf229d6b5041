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
    this.filters = element('div', 'rx-Bar-filters');
    this.filters.setAttribute('role', 'group');
    this.input = element('input', 'rx-Bar-search');
    this.input.type = 'search';
    this.input.addEventListener('input', () => this.typed());
    this.choice = element('select', 'rx-Bar-choice');
    this.choice.addEventListener('change', () => this.tell('choice', this.choice.value));
    this.words = element('div', 'rx-Bar-words');
    this.root.append(this.filters, this.input, this.choice, this.words);
    el.append(this.root);
    this.draw();
  }

  /** Shown at once, and said in a message of its own: `save_changes` keeps a value back until the kernel was idle. */
  tell(name, value) {
    this.model.set(name, value);
    this.model.send({ asked: { [name]: value } });
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell('search', this.input.value.trim()), TYPING);
  }

  draw() {
    const search = this.model.get('search');
    const noun = this.model.get('noun');
    this.input.placeholder = this.model.get('hint');
    this.input.setAttribute('aria-label', `Search ${noun}`);
    this.filters.setAttribute('aria-label', `Which ${noun}`);
    if (this.input.value.trim() !== search && document.activeElement !== this.input) this.input.value = search;
    this.drawChoices();
    this.drawFilters();
    this.root.hidden = this.model.get('total') === 0;
    const words = search.split(/\s+/).filter(Boolean);
    this.words.hidden = words.length === 0;
    this.words.replaceChildren(...(words.length ? [...words.map((_, place) => this.chip(words, place)), this.count()] : []));
  }

  count() {
    const [shown, total] = ['shown', 'total'].map(name => this.model.get(name).toLocaleString('en'));
    const count = element('span', 'rx-Bar-count', `${shown} of ${total} shown`);
    count.setAttribute('role', 'status');
    return count;
  }

  drawChoices() {
    const keys = this.model.get('choices');
    const told = JSON.stringify([this.model.get('unchosen'), keys]);
    if (this.drawn !== told) {
      this.drawn = told;
      this.choice.replaceChildren(new Option(this.model.get('unchosen'), ''), ...keys.map(key => new Option(key, key)));
    }
    this.choice.setAttribute('aria-label', this.model.get('about'));
    this.choice.value = this.model.get('choice');
    this.choice.hidden = keys.length < 2;
  }

  drawFilters() {
    const filters = this.model.get('filters');
    const told = JSON.stringify(filters);
    if (this.drawnFilters !== told) {
      this.drawnFilters = told;
      this.filters.replaceChildren(...filters.map(each => this.filterButton(each)));
    }
    this.filters.hidden = filters.length === 0;
    for (const button of this.filters.children) {
      button.setAttribute('aria-pressed', String(button.dataset.filter === this.model.get('filter')));
    }
  }

  filterButton({ name, label }) {
    const button = element('button', 'rx-Bar-chip', label);
    button.type = 'button';
    button.dataset.filter = name;
    button.addEventListener('click', () => this.tell('filter', name));
    return button;
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

const SHOWN = ['noun', 'hint', 'search', 'shown', 'total', 'filters', 'filter', 'choices', 'choice', 'unchosen', 'about'];

function render({ model, el }) {
  const view = new BarView(model, el);
  const draw = () => view.draw();
  const events = SHOWN.map(name => `change:${name}`);
  for (const event of events) model.on(event, draw);
  return () => {
    clearTimeout(view.timer);
    for (const event of events) model.off(event, draw);
  };
}

export default { render };
