const MIME = 'application/vnd.plotly.v1+json';
const PAUSE = 500; // milliseconds between two drawings of a figure that keeps growing

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function rendererOf(model) {
  try {
    return model.widget_manager?.rendermime?.createRenderer(MIME) ?? null;
  } catch {
    return null;
  }
}

function colour(name, fallback) {
  return getComputedStyle(document.body).getPropertyValue(name).trim() || fallback;
}

/** The figure in the colours of the page. */
function themed(figure) {
  const text = colour('--jp-ui-font-color1', '#212121');
  const grid = colour('--jp-border-color2', '#e0e0e0');
  const paper = colour('--jp-layout-color1', '#ffffff');
  const layout = { ...figure.layout };
  layout.autosize = true;
  layout.paper_bgcolor = 'rgba(0,0,0,0)';
  layout.plot_bgcolor = 'rgba(0,0,0,0)';
  layout.font = { ...layout.font, color: text, family: colour('--jp-ui-font-family', 'sans-serif') };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: paper, bordercolor: grid, font: { color: text } };
  for (const name of Object.keys(layout).filter(key => /^[xy]axis\d*$/.test(key))) {
    layout[name] = { ...layout[name], gridcolor: grid, zerolinecolor: grid, linecolor: grid };
  }
  return { data: figure.data ?? [], layout, config: { responsive: false, displayModeBar: false, ...figure.config } };
}

class PlotView {
  constructor(model, el) {
    this.model = model;
    this.drawn = 0;
    this.root = element('div', 'rx-Plot');
    this.tools = element('div', 'rx-Plot-tools');
    this.notice = element('p', 'rx-Plot-notice');
    this.place = element('div', 'rx-Plot-place');
    this.place.setAttribute('role', 'img');
    this.choices = element('select');
    this.choices.addEventListener('change', () => this.tell('choice', this.choices.value));
    this.logScale = element('input');
    this.logScale.type = 'checkbox';
    this.logScale.addEventListener('change', () => this.tell('log_scale', this.logScale.checked));
    const logLabel = element('label');
    logLabel.append(this.logScale, ' log scale');
    this.tools.append(this.choices, logLabel);
    this.fold(el);
    this.logLabel = logLabel;
    this.resizes = new ResizeObserver(() => this.resize());
    this.resizes.observe(this.place);
    this.themes = new MutationObserver(() => this.soon());
    this.themes.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-light', 'data-jp-theme-name'] });
  }

  /** With a title the plot stands in a box that opens and closes. */
  fold(el) {
    if (this.model.get('title')) {
      this.details = element('details', 'rx-Plot-fold');
      this.details.open = this.model.get('opened');
      this.details.addEventListener('toggle', () => {
        if (this.details.open !== this.model.get('opened')) this.tell('opened', this.details.open);
      });
      this.details.append(element('summary', '', this.model.get('title')), this.tools, this.notice, this.place);
      this.root.append(this.details);
    } else {
      this.root.append(this.tools, this.notice, this.place);
    }
    el.append(this.root);
  }

  tell(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  drawTools() {
    const options = this.model.get('choices');
    if ([...this.choices.options].map(option => option.value).join('\n') !== options.join('\n')) {
      this.choices.replaceChildren(...options.map(option => new Option(option, option)));
    }
    this.choices.value = this.model.get('choice');
    this.choices.setAttribute('aria-label', this.model.get('about'));
    this.choices.hidden = options.length < 2;
    this.logLabel.hidden = !this.model.get('log_choice');
    if (this.details) this.details.open = this.model.get('opened');
    this.logScale.checked = this.model.get('log_scale');
    this.notice.textContent = this.model.get('notice');
    this.place.setAttribute('aria-label', this.model.get('label'));
  }

  /** At once when it has been quiet, otherwise when the pause is over. */
  soon() {
    if (this.timer) return;
    const wait = Math.max(0, this.drawn + PAUSE - performance.now());
    this.timer = setTimeout(async () => {
      this.drawn = performance.now();
      try {
        await this.draw();
      } catch (error) {
        this.drawTable(`The plot could not be drawn: ${error}`);
      }
      this.timer = null;
      if (this.stale) {
        this.stale = false;
        this.soon();
      }
    }, wait);
  }

  changed() {
    this.stale = Boolean(this.timer);
    this.soon();
  }

  async draw() {
    const figure = this.model.get('figure');
    const empty = !figure.data?.length;
    const choices = this.model.get('choices').length;
    this.root.hidden = empty && (this.details ? choices === 0 : choices < 2);
    if (this.closed) return;
    if (empty) {
      if (!this.details) this.clear();
      return;
    }
    const plotly = this.renderer?.constructor?.Plotly;
    const ready = { ...themed(figure) };
    if (plotly?.react && this.graph()) {
      // Same graph, new figure: zoom and hidden lines stay, because `layout.uirevision` does.
      await plotly.react(this.renderer.node, structuredClone(ready.data), ready.layout, ready.config);
    } else {
      await this.begin(ready);
    }
  }

  /** Of what is chosen there is nothing to show, and something else can be chosen. */
  clear() {
    const node = this.renderer?.node;
    if (node) this.renderer.constructor.Plotly?.purge?.(node);
    this.renderer?.dispose?.();
    this.renderer = null;
    this.place.replaceChildren();
  }

  graph() {
    return this.renderer?.node?.querySelector('.plot-container');
  }

  /** The renderer refuses to draw twice, so every figure that it must draw by itself gets a new one. */
  async begin(figure) {
    const renderer = rendererOf(this.model);
    if (!renderer) {
      this.drawTable('Plotly is not available here; these are the last values.');
      return;
    }
    this.renderer?.dispose?.();
    this.renderer = renderer;
    this.place.replaceChildren(renderer.node);
    renderer.processMessage?.({ type: 'after-attach', isConflatable: false, conflate: () => false });
    await renderer.renderModel({ data: { [MIME]: figure }, metadata: {}, trusted: true, setData: () => undefined });
    renderer.node.on?.('plotly_click', event => this.clicked(event.points[0]));
    this.resize();
  }

  clicked(point) {
    this.model.send({ event: 'click', x: point.x, y: point.y, trace: point.curveNumber });
  }

  resize() {
    if (!this.graph() || this.place.offsetWidth === 0) return;
    const plotly = this.renderer.constructor.Plotly;
    if (plotly?.Plots) {
      plotly.Plots.resize(this.renderer.node);
    } else {
      this.renderer.processMessage?.({ type: 'resize', width: -1, height: -1, isConflatable: false });
    }
  }

  drawTable(reason) {
    const table = element('table');
    table.append(element('caption', '', reason));
    for (const trace of this.model.get('figure').data ?? []) {
      const values = (trace.y ?? []).filter(value => value !== null);
      const row = element('tr');
      const name = element('th', '', trace.meta ?? trace.name ?? '');
      name.scope = 'row';
      row.append(name, element('td', '', String(values[values.length - 1] ?? '')));
      table.append(row);
    }
    this.place.removeAttribute('role');
    this.place.replaceChildren(table);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.resizes.disconnect();
    this.themes.disconnect();
    this.clear();
  }
}

function render({ model, el }) {
  const view = new PlotView(model, el);
  const figure = () => view.changed();
  const tools = () => {
    view.drawTools();
    if (view.details) view.changed(); // whether there is anything to open
  };
  model.on('change:figure', figure);
  const words = ['choices', 'choice', 'log_scale', 'log_choice', 'notice', 'label', 'opened'].map(name => `change:${name}`);
  for (const word of words) model.on(word, tools);
  view.drawTools();
  view.root.hidden = true;
  view.soon();
  return () => {
    model.off('change:figure', figure);
    for (const word of words) model.off(word, tools);
    view.close();
  };
}

export default { render };
