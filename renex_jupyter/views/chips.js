// Names that something bears, and verdicts: `element` is of the module that this is put before, as one module with it.
const STATES = {
  met: '✓',
  unmet: '✗',
  waiting: '○',
  confirmed: '✓',
  'not confirmed': '✗',
  'too small': '○',
  worse: '▲',
  better: '▼',
  same: '='
};

function chipsNode(chips) {
  const line = element('span', 'rx-Chips');
  for (const [text, hint, look] of chips) {
    const chip = element('span', 'rx-Chip', text);
    chip.title = hint ?? '';
    if (look) chip.dataset.look = look;
    line.append(chip);
  }
  return line;
}

/** A verdict has a sign before its words: colour alone would not tell. */
function verdictNode({ text, state }) {
  const line = element('span', 'rx-Verdict', text);
  line.dataset.state = state;
  line.dataset.sign = STATES[state] ?? '·';
  line.title = `${state}: ${text}`;
  return line;
}
