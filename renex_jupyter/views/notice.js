function render({ model, el }) {
  const root = document.createElement('div');
  const title = document.createElement('strong');
  const text = document.createElement('p');
  const button = document.createElement('button');
  root.className = 'rx-Notice';
  button.type = 'button';
  button.addEventListener('click', () => model.send({ action: 'go' }));
  root.append(title, text, button);
  el.append(root);

  const draw = () => {
    root.hidden = !model.get('title');
    root.dataset.level = model.get('level');
    root.setAttribute('role', model.get('level') === 'error' ? 'alert' : 'status');
    title.textContent = model.get('title');
    text.textContent = model.get('text');
    text.hidden = !model.get('text');
    button.textContent = model.get('action');
    button.hidden = !model.get('action');
  };
  const events = ['level', 'title', 'text', 'action'].map(name => `change:${name}`);
  for (const event of events) model.on(event, draw);
  draw();
  return () => {
    for (const event of events) model.off(event, draw);
  };
}

export default { render };
