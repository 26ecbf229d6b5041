import type { SessionContext } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Kernel, ServiceManager } from '@jupyterlab/services';
import { Panel } from '@lumino/widgets';

import { DrawFailed, Host, WidgetsMissing } from './host';
import { renexIcon } from './icon';
import { agreedSession, connectPanelKernel, giveUp } from './kernel';
import type { Page } from './page';
import { IPanelState, StateOverlay } from './states';

/** How long after a click or key in the panel its kernel may act on the page. */
const TOUCH_MILLISECONDS = 10_000;

/** The side panel: its widgets live in a kernel of their own, shared by all tabs of the server. */
export class RenexPanel extends Panel {
  constructor(
    private readonly _services: ServiceManager.IManager,
    private readonly _rendermime: IRenderMimeRegistry,
    private readonly _page: Page,
    private readonly _dispatch: (command: unknown) => void
  ) {
    super();
    this.id = 'renex-panel';
    this.title.icon = renexIcon;
    this.title.caption = 'Renex';
    this.addClass('rx-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Renex');
    this._content.addClass('rx-Panel-content');
    this.addWidget(this._content);
    this.addWidget(this._overlay);
    for (const kind of ['pointerdown', 'keydown'] as const) {
      this.node.addEventListener(kind, () => (this._touchedAt = performance.now()), { capture: true });
    }
    this._services.sessions.runningChanged.connect(this._onRunningChanged, this);
  }

  get touched(): boolean {
    return performance.now() - this._touchedAt < TOUCH_MILLISECONDS;
  }

  /** Restart the panel's kernel, or start it where there is none. */
  async restart(): Promise<void> {
    if (this._host && this._phase === 'live') {
      await this._host.context.restartKernel(); // its status signals do the rest
    } else if (this._phase !== 'starting' && this._phase !== 'restarting') {
      await this._startAnew();
    }
  }

  protected onAfterShow(): void {
    this._startOnFirstLook();
  }

  /** A restored layout may show the panel before the page itself is attached. */
  protected onAfterAttach(): void {
    this._startOnFirstLook();
  }

  private _startOnFirstLook(): void {
    if (this._phase === 'unseen' && this.isVisible) {
      void this._start();
    }
  }

  private async _start(): Promise<void> {
    this._enter('starting', { title: 'Starting the panel…' });
    try {
      const host = new Host(await connectPanelKernel(this._services), this._rendermime, this._page, this._dispatch);
      this._host = host;
      host.context.statusChanged.connect(this._onStatus, this);
      host.context.sessionChanged.connect(this._onSession, this);
      host.context.connectionStatusChanged.connect(this._onConnection, this);
      this._content.addWidget(host.output);
      await host.connectWidgets();
    } catch (error) {
      this._fail(error);
      return;
    }
    await this._draw();
  }

  private async _draw(): Promise<void> {
    const turn = ++this._turn;
    // A restart, a stop or a later drawing cuts this one short, and then its outcome tells nothing.
    const counts = () => turn === this._turn && this._phase === 'starting';
    try {
      await this._host?.draw();
      if (counts()) {
        this._enter('live');
      }
    } catch (error) {
      if (counts()) {
        this._fail(error);
      }
    }
  }

  private _onStatus(_: SessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting') {
      this._enter('restarting', { title: 'Panel is restarting…' });
    } else if (status === 'dead') {
      this._stopped();
    } else if (status === 'idle' && this._phase === 'restarting') {
      this._enter('starting', { title: 'Starting the panel…' });
      void this._draw();
    }
  }

  private _onSession(_: SessionContext, change: { newValue: unknown }): void {
    if (!change.newValue) {
      this._stopped();
    }
  }

  private _onConnection(_: SessionContext, status: Kernel.ConnectionStatus): void {
    if (status !== 'connected' && this._phase === 'live') {
      this._enter('disconnected', { title: 'Reconnecting…' });
    } else if (status === 'connected' && this._phase === 'disconnected') {
      this._enter('starting', { title: 'Starting the panel…' });
      void this._draw();
    }
  }

  /** Another tab may have started an older kernel, or a new one after this tab's stopped. */
  private _onRunningChanged(): void {
    const agreed = agreedSession(this._services);
    const own = this._host?.context.session?.id;
    const later = this._phase === 'live' && own !== undefined && agreed !== undefined && agreed.id !== own;
    if (later || (this._phase === 'stopped' && agreed)) {
      void this._startAnew();
    }
  }

  private async _startAnew(): Promise<void> {
    this._enter('starting', { title: 'Starting the panel…' });
    const host = this._host;
    this._host = null;
    this._turn += 1;
    if (host) {
      await giveUp(this._services, host.context);
      host.dispose();
    }
    await this._start();
  }

  private _stopped(): void {
    this._enter('stopped', {
      title: 'Panel stopped',
      hint: 'Its kernel was shut down. Nothing that was recorded is lost.',
      action: { label: 'Restart', run: () => void this.restart() }
    });
  }

  private _fail(error: unknown): void {
    const action = { label: 'Retry', run: () => void this.restart() };
    if (error instanceof WidgetsMissing) {
      const hint = 'Install jupyterlab_widgets beside JupyterLab, then reload this page.';
      this._enter('failed', { title: 'The JupyterLab extension of ipywidgets is missing', hint });
    } else if (error instanceof DrawFailed && error.packageMissing) {
      const kernel = this._host?.context.kernelDisplayName ?? 'python3';
      const hint = 'Install it into that environment, then try again.';
      this._enter('failed', { title: `renex_jupyter is not installed in kernel ${kernel}`, hint, action });
    } else {
      this._enter('failed', { title: 'The panel could not start', detail: error instanceof Error ? error.message : String(error), action });
    }
  }

  private _enter(phase: Phase, state?: IPanelState): void {
    this._phase = phase;
    this._content.node.inert = state !== undefined; // not reachable by keyboard while covered
    if (state) {
      this._overlay.cover(state);
    } else {
      this._overlay.uncover();
    }
  }

  private readonly _content = new Panel();
  private readonly _overlay = new StateOverlay();
  private _host: Host | null = null;
  private _phase: Phase = 'unseen';
  private _turn = 0;
  private _touchedAt = -Infinity;
}

type Phase = 'unseen' | 'starting' | 'live' | 'restarting' | 'disconnected' | 'stopped' | 'failed';
