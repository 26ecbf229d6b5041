import { Widget } from '@lumino/widgets';

/** What stands in the panel's place while its widgets are not alive. */
export interface IPanelState {
  title: string;
  /** What the reader can do about it. */
  hint?: string;
  /** An error's own words. */
  detail?: string;
  action?: { label: string; run: () => void };
}

/** Covers the panel, so that dead widgets never look alive. All text is set as text. */
export class StateOverlay extends Widget {
  constructor() {
    super();
    this.addClass('rx-State');
    this.node.setAttribute('role', 'status');
    this.node.setAttribute('aria-live', 'polite');
    this.node.hidden = true;
  }

  cover(state: IPanelState): void {
    const parts: HTMLElement[] = [part('p', 'rx-State-title', state.title)];
    if (state.hint) {
      parts.push(part('p', 'rx-State-hint', state.hint));
    }
    if (state.detail) {
      const detail = part('pre', 'rx-State-detail', state.detail);
      detail.tabIndex = 0; // scrolls by keyboard
      parts.push(detail);
    }
    if (state.action) {
      const { label, run } = state.action;
      const button = part('button', 'rx-State-action jp-mod-styled jp-mod-accept', label);
      button.setAttribute('type', 'button');
      button.addEventListener('click', run);
      parts.push(button);
    }
    this.node.replaceChildren(...parts);
    this.node.hidden = false;
  }

  uncover(): void {
    this.node.hidden = true;
    this.node.replaceChildren();
  }
}

function part(tag: string, className: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
