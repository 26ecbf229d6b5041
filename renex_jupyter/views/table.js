// `SECOND` is of times.js, `element` and `FILL` are of cells.js, which table.py puts before this, as one module.
class TableView {
  constructor(model, el) {
    this.model = model;
    this.rows = new Map(); // id -> { tr, cells: key -> { node, told } }
    this.root = element('div', 'rx-Table');
    this.table = element('table');
    this.caption = element('caption', 'rx-hidden');
    this.head = element('tr');
    this.body = element('tbody');
    this.empty = element('p', 'rx-Table-empty');
    const thead = element('thead');
    thead.append(this.head);
    this.table.append(this.caption, thead, this.body);
    this.scroll = element('div', 'rx-Table-scroll');
    this.scroll.append(this.table);
    this.root.append(this.scroll, this.empty, this.pager());
    this.body.addEventListener('pointerdown', () => (this.marked = String(getSelection())));
    this.body.addEventListener('click', event => this.clicked(event));
    this.body.addEventListener('keydown', event => this.moved(event));
    el.append(this.root);
  }

  pager() {
    const pages = element('nav', 'rx-Table-pages');
    pages.setAttribute('aria-label', 'Pages');
    this.previous = this.pageButton('‹', 'Previous page', -1);
    this.next = this.pageButton('›', 'Next page', 1);
    this.range = element('span', 'rx-Table-range');
    this.range.setAttribute('role', 'status');
    pages.append(this.previous, this.range, this.next);
    return pages;
  }

  pageButton(text, label, step) {
    const button = element('button', 'rx-Button', text);
    button.type = 'button';
    button.setAttribute('aria-label', label);
    button.addEventListener('click', () => this.tell({ page: this.model.get('page') + step }));
    return button;
  }

  /** Shown at once, and said in a message of its own: `save_changes` keeps a value back until the kernel was idle. */
  tell(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.send({ asked: values });
  }

  drawHead() {
    const sortKey = this.model.get('sort_key');
    const descending = this.model.get('sort_descending');
    const focused = this.head.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.head.replaceChildren(
      ...this.model.get('columns').map(column => {
        const cell = this.placed(element('th'), column);
        cell.scope = 'col';
        if (!column.sortable) {
          cell.append(element('span', column.label ? 'rx-Table-label' : 'rx-hidden', column.label || column.key));
          cell.title = column.label;
          return cell;
        }
        const sorted = column.key === sortKey;
        cell.setAttribute('aria-sort', sorted ? (descending ? 'descending' : 'ascending') : 'none');
        const button = element('button', 'rx-Table-sort', column.label);
        button.type = 'button';
        button.dataset.key = column.key;
        button.title = `Sort by ${column.label.toLowerCase()}`;
        button.addEventListener('click', () => this.sortBy(column));
        cell.append(button);
        return cell;
      })
    );
    if (focused) this.head.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Times and durations begin with the latest and longest, names with A. */
  sortBy({ key, kind }) {
    const text = kind === 'text' || kind === 'status';
    const again = this.model.get('sort_key') === key;
    this.tell({ sort_key: key, sort_descending: again ? !this.model.get('sort_descending') : !text, page: 0 });
  }

  placed(cell, column) {
    cell.dataset.kind = column.kind;
    cell.dataset.width = column.width ?? 0;
    if (column.main) cell.dataset.main = '';
    if (column.wraps) cell.dataset.wraps = '';
    if (column.align) cell.style.textAlign = column.align;
    return cell;
  }

  /** Rows are matched by id and moved only where the order changed, so that nothing flickers. */
  drawRows() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    const rows = this.model.get('rows');
    const kept = new Set(rows.map(row => row.id));
    for (const [id, entry] of this.rows) {
      if (!kept.has(id)) {
        entry.tr.remove();
        this.rows.delete(id);
      }
    }
    rows.forEach((row, index) => {
      const entry = this.rows.get(row.id) ?? this.newRow(row.id);
      this.fillRow(entry, row);
      if (this.body.children[index] !== entry.tr) this.body.insertBefore(entry.tr, this.body.children[index] ?? null);
    });
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    this.drawSelected();
    this.drawRange();
  }

  newRow(id) {
    const tr = element('tr', 'rx-row');
    tr.dataset.id = id;
    tr.dataset.kind = this.model.get('kind');
    const cells = new Map();
    const since = element('span', 'rx-Table-since');
    const lines = element('div', 'rx-Table-lines');
    for (const column of this.model.get('columns')) {
      const cell = this.placed(element('td'), column);
      let node = cell;
      if (column.main) {
        node = element('button', 'rx-Table-main');
        node.type = 'button';
        cell.append(node, since, lines);
      }
      cells.set(column.key, { node, told: undefined });
      tr.append(cell);
    }
    const entry = { tr, cells, since, lines, told: undefined };
    this.rows.set(id, entry);
    return entry;
  }

  fillRow(entry, row) {
    for (const column of this.model.get('columns')) {
      const cell = entry.cells.get(column.key);
      const note = row.notes?.[column.key];
      const told = JSON.stringify([row[column.key], note]);
      if (cell.told === told) continue;
      cell.told = told;
      cell.value = row[column.key];
      FILL[column.kind](cell.node, cell.value);
      if (note !== undefined) cell.node.title = note;
    }
    entry.since.value = row.since ?? null;
    FILL.since(entry.since, entry.since.value);
    const told = JSON.stringify([row.chips, row.verdict, row.under]);
    if (entry.told === told) return;
    entry.told = told;
    entry.lines.replaceChildren(...linesOf(row));
  }

  drawSelected() {
    const selected = new Set(this.model.get('selected'));
    for (const [id, { tr }] of this.rows) {
      tr.classList.toggle('rx-mod-selected', selected.has(id));
      tr.querySelector('.rx-Table-main')?.setAttribute('aria-pressed', String(selected.has(id)));
    }
    const some = selected.size > 0;
    if (some === this.root.classList.contains('rx-mod-some')) return;
    this.root.classList.toggle('rx-mod-some', some);
    if (some) this.body.querySelector('.rx-mod-selected')?.scrollIntoView({ block: 'nearest' });
  }

  drawRange() {
    const [page, size, total, shown] = ['page', 'page_size', 'total', 'rows'].map(name => this.model.get(name));
    const first = page * size + 1;
    const [from, to, all] = [first, first + shown.length - 1, total].map(each => each.toLocaleString('en'));
    this.range.textContent = shown.length ? `${from}–${to} of ${all}` : '';
    this.previous.disabled = page === 0;
    this.next.disabled = (page + 1) * size >= total;
    this.root.classList.toggle('rx-mod-onePage', page === 0 && total <= size);
    this.empty.textContent = this.model.get('empty');
    this.empty.hidden = shown.length > 0;
    this.table.hidden = shown.length === 0;
    this.root.hidden = shown.length === 0 && !this.model.get('empty');
    this.caption.textContent = this.model.get('caption');
  }

  /** Time goes on between two messages of the kernel. */
  tick() {
    if (document.hidden) return;
    for (const { since, lines } of this.rows.values()) {
      FILL.since(since, since.value);
      for (const part of lines.querySelectorAll('.rx-Table-part')) part.textContent = PART[part.dataset.kind](part.value);
    }
    for (const column of this.model.get('columns')) {
      if (column.kind !== 'time' && column.kind !== 'duration') continue;
      for (const { cells } of this.rows.values()) {
        const cell = cells.get(column.key);
        const moves = column.kind === 'time' ? cell.value != null : cell.value?.since !== undefined;
        if (moves) FILL[column.kind](cell.node, cell.value);
      }
    }
  }

  clicked(event) {
    const id = event.target.closest('tr')?.dataset.id;
    if (!id || this.marks()) return; // somebody marks text of the table to copy it
    const before = this.model.get('selected');
    const adds = event.ctrlKey || event.metaKey || event.shiftKey;
    const others = before.filter(each => each !== id);
    this.tell({ selected: !adds ? [id] : others.length < before.length ? others : [...before, id] });
    this.drawSelected();
  }

  /** A button leaves the selection where it was: what is marked in a notebook, or was before, is no reason to do nothing. */
  marks() {
    const marked = String(getSelection());
    return marked !== '' && marked !== this.marked && this.body.contains(getSelection().anchorNode);
  }

  moved(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const rows = [...this.body.children];
    const target = rows[rows.indexOf(event.target.closest('tr')) + step];
    target?.querySelector('.rx-Table-main')?.focus();
    event.preventDefault();
  }

  redraw() {
    this.rows.clear();
    this.body.replaceChildren();
    this.drawHead();
    this.drawRows();
  }
}

const shape = ({ key, kind, width }) => [key, kind, width];

function sameKeys(before, after) {
  return JSON.stringify(before.map(shape)) === JSON.stringify(after.map(shape));
}

function render({ model, el }) {
  const view = new TableView(model, el);
  let columns = model.get('columns');
  const handlers = {
    'change:columns': () => {
      const same = sameKeys(columns, model.get('columns'));
      columns = model.get('columns');
      same ? view.drawHead() : view.redraw();
    },
    'change:rows': () => view.drawRows(),
    'change:total': () => view.drawRange(),
    'change:page': () => view.drawRange(),
    'change:page_size': () => view.drawRange(),
    'change:empty': () => view.drawRange(),
    'change:caption': () => view.drawRange(),
    'change:selected': () => view.drawSelected(),
    'change:sort_key': () => view.drawHead(),
    'change:sort_descending': () => view.drawHead()
  };
  for (const [event, handler] of Object.entries(handlers)) model.on(event, handler);
  view.redraw();
  const timer = setInterval(() => view.tick(), SECOND);
  return () => {
    clearInterval(timer);
    for (const [event, handler] of Object.entries(handlers)) model.off(event, handler);
  };
}

export default { render };
