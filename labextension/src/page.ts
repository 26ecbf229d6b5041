import type { IThemeManager } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';

/** What the panel's kernel needs to know of the page it is shown in. */
export class Page {
  constructor(
    private readonly _tracker: INotebookTracker,
    private readonly _themes: IThemeManager | null
  ) {
    this._tracker.currentChanged.connect((_, panel) => this._follow(panel));
    this._follow(this._tracker.currentWidget);
    this._themes?.themeChanged.connect(() => this.changed.emit({ theme: this.theme }));
  }

  readonly changed = new Signal<this, { notebook: string | null } | { theme: 'light' | 'dark' }>(this);

  /** The active notebook's path below the contents root. */
  get notebook(): string | null {
    return this._tracker.currentWidget?.context.localPath ?? null;
  }

  get theme(): 'light' | 'dark' {
    const name = this._themes?.theme;
    return name && !this._themes?.isLight(name) ? 'dark' : 'light';
  }

  private _follow(panel: NotebookPanel | null): void {
    this._current?.context.pathChanged.disconnect(this._tell, this);
    this._current = panel;
    panel?.context.pathChanged.connect(this._tell, this);
    this._tell();
  }

  private _tell(): void {
    this.changed.emit({ notebook: this.notebook });
  }

  private _current: NotebookPanel | null = null;
}
