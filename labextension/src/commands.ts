import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';

const LEVELS = ['info', 'success', 'warning', 'error'] as const;
type Level = (typeof LEVELS)[number];

/** The few things that the panel's kernel may ask of the page. None of them runs code. */
export class PageCommands {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _tracker: INotebookTracker,
    /** Whether a person acted in the panel of this very tab just now: the kernel talks to all tabs at once. */
    private readonly _touched: () => boolean
  ) {}

  dispatch(command: unknown): void {
    const { name, code, path, level, message } = (command ?? {}) as Record<string, unknown>;
    if (name === 'insert-cell' && typeof code === 'string') {
      this._whenTouched(() => this._insertCell(code));
    } else if (name === 'open-file' && typeof path === 'string' && this._isBelowRoot(path)) {
      this._whenTouched(() => this._openFile(path));
    } else if (name === 'notify' && typeof message === 'string' && isLevel(level)) {
      notify(message, level);
    } else {
      console.warn('Renex: refused a command of the panel kernel', command);
    }
  }

  private _whenTouched(act: () => void): void {
    if (this._touched()) {
      act();
    }
  }

  private _insertCell(code: string): void {
    const panel = this._tracker.currentWidget;
    if (!panel) {
      notify('Open a notebook first', 'warning');
      return;
    }
    NotebookActions.insertBelow(panel.content);
    if (panel.content.activeCell?.model.type !== 'code') {
      NotebookActions.changeCellType(panel.content, 'code'); // the user's default cell may be another
    }
    panel.content.activeCell?.model.sharedModel.setSource(code);
    this._app.shell.activateById(panel.id);
  }

  private _openFile(path: string): void {
    this._app.commands.execute('docmanager:open', { path }).catch(error => {
      notify(`Could not open ${path}: ${error}`, 'error');
    });
  }

  private _isBelowRoot(path: string): boolean {
    const absolute = path === '' || path.startsWith('/') || path.includes('\\');
    const otherDrive = this._app.serviceManager.contents.driveName(path) !== '';
    return !absolute && !otherDrive && !path.split('/').includes('..');
  }
}

function isLevel(level: unknown): level is Level {
  return LEVELS.some(known => known === level);
}

/** An error stays until it is read. */
function notify(message: string, level: Level): void {
  Notification.emit(message, level, { autoClose: level === 'error' ? false : 5_000 });
}
