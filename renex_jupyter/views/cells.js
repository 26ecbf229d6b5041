// How a cell of each kind is drawn: table.py puts this between times.js and table.js, as one module.
const SVG = 'http://www.w3.org/2000/svg';
const SPARK = { width: 64, height: 18 };

const ICONS = {
  running: 'M8 2a6 6 0 1 1-6 6',
  finished: 'M3 8.5l3.2 3.2L13 5',
  failed: 'M4 4l8 8M12 4l-8 8',
  stopped: 'M4 4h8v8H4z',
  lost: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.7 8 9.2 8 10M8 12.5v.5'
};

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawing(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

function statusIcon(status) {
  const icon = drawing('svg', { viewBox: '0 0 16 16', width: 14, height: 14, 'aria-hidden': true });
  icon.append(drawing('path', { d: ICONS[status] ?? ICONS.lost }));
  return icon;
}

/** Pieces of line between the gaps; a lonely point becomes a short dash. */
function sparkPath(values) {
  const known = values.filter(value => value !== null);
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const x = index => (values.length > 1 ? (index / (values.length - 1)) * (SPARK.width - 4) : SPARK.width / 2 - 2) + 2;
  const y = value => (span > 0 ? SPARK.height - 2 - ((value - low) / span) * (SPARK.height - 4) : SPARK.height / 2);
  let path = '';
  values.forEach((value, index) => {
    if (value === null) return;
    const starts = index === 0 || values[index - 1] === null;
    const point = `${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    const ends = index === values.length - 1 || values[index + 1] === null;
    path += starts ? `M${point}${ends ? 'h1.5' : ''}` : `L${point}`;
  });
  return path;
}

const SIGNS = {
  event: { d: 'M8 3l5 5-5 5-5-5z', label: 'event' },
  span: { d: 'M3 4v8M13 4v8M3 8h10', label: 'event that took time' },
  going: { d: ICONS.running, label: 'event that goes on' },
  change: { d: 'M3 13l1-3 7-7 2 2-7 7z', label: 'change' }
};
const PART = {
  at: value => agoText(value),
  took: value => (typeof value === 'object' ? `${elapsedText(value.since)} so far` : durationText(value))
};

/** What stands under the text of a row's main cell. */
function linesOf({ chips, verdict, under }) {
  const lines = [];
  if (chips?.length) lines.push(chipsNode(chips));
  if (verdict) lines.push(verdictNode(verdict));
  if (under) {
    const line = element('span', 'rx-Table-under');
    for (const kind of ['took', 'at']) {
      if (under[kind] === null || under[kind] === undefined) continue;
      const part = element('span', 'rx-Table-part', PART[kind](under[kind]));
      part.dataset.kind = kind;
      part.value = under[kind];
      line.append(part);
    }
    if (under.text) line.append(element('span', '', under.text)); // last, since a long one is cut
    lines.push(line);
  }
  return lines;
}

const FILL = {
  /** How long a run has been running, beside its name where the column of durations has no room. */
  since(place, value) {
    const text = value === null ? '' : elapsedText(value);
    if (place.textContent !== text) place.textContent = text;
  },
  text(cell, value) {
    cell.textContent = value ?? '';
  },
  number(cell, value) {
    cell.textContent = value ?? '';
  },
  time(cell, value) {
    cell.textContent = value === null || value === undefined ? '' : agoText(value);
    cell.title = value === null || value === undefined ? '' : new Date(value).toLocaleString();
  },
  duration(cell, value) {
    const running = value !== null && typeof value === 'object';
    cell.textContent = running ? elapsedText(value.since) : durationText(value);
  },
  status(cell, value) {
    const badge = element('span', 'rx-Status');
    badge.dataset.status = value;
    badge.append(statusIcon(value), element('span', 'rx-Status-text', value));
    cell.replaceChildren(badge);
    cell.title = value;
  },
  sign(cell, value) {
    const { d, label } = SIGNS[value] ?? SIGNS.change;
    const icon = drawing('svg', { viewBox: '0 0 16 16', width: 14, height: 14, 'aria-hidden': true });
    icon.append(drawing('path', { d }));
    const sign = element('span', 'rx-Sign');
    sign.dataset.sign = value;
    sign.append(icon, element('span', 'rx-hidden', label));
    cell.replaceChildren(sign);
    cell.title = label;
  },
  spark(cell, value) {
    const known = (value ?? []).filter(each => each !== null);
    if (known.length === 0) {
      cell.replaceChildren();
      return;
    }
    const picture = drawing('svg', { viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, class: 'rx-Spark', 'aria-hidden': true });
    picture.append(drawing('path', { d: sparkPath(value) }));
    cell.replaceChildren(picture);
  }
};
