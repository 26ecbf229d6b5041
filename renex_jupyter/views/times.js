// How durations and moments are written: put before the modules that show them, as one module with each.
const SECOND = 1000;

function durationText(seconds) {
  if (seconds === null || seconds === undefined) return '';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const whole = Math.floor(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** Whole seconds: a tenth that never moves looks as if it stood still. */
function elapsedText(since) {
  const seconds = Math.max(0, Math.floor((Date.now() - since) / SECOND));
  return seconds < 60 ? `${seconds} s` : durationText(seconds);
}

function agoText(milliseconds) {
  const seconds = (Date.now() - milliseconds) / SECOND;
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 30 * 86400) return `${Math.floor(seconds / 86400)} d ago`;
  return new Date(milliseconds).toLocaleDateString();
}
