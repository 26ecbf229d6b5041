import type { SessionContext } from '@jupyterlab/apputils';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import type { Page } from './page';

const DRAW = [
  'from IPython.display import display as _renex_display',
  'from renex_jupyter.views import panel as _renex_panel',
  '_renex_display(_renex_panel.get())'
].join('\n');

/** This browser tab, for the panel's kernel. */
const TAB = UUID.uuid4();

/** ipywidgets' labextension is not installed or disabled. */
export class WidgetsMissing extends Error {}

/** The panel's code raised in the kernel. */
export class DrawFailed extends Error {
  constructor(readonly reply: KernelMessage.IReplyErrorContent) {
    super(`${reply.ename}: ${reply.evalue}`);
  }

  get packageMissing(): boolean {
    return this.reply.ename === 'ModuleNotFoundError' && this.reply.evalue === "No module named 'renex_jupyter'";
  }
}

/**
 * The widgets of one panel kernel on this page.
 *
 * ipywidgets keeps one widget manager per kernel id and never lets go of it, so a host lives as long as its kernel: it
 * draws again after a restart, and a new kernel gets a new host.
 */
export class Host implements IDisposable {
  constructor(
    readonly context: SessionContext,
    rendermime: IRenderMimeRegistry,
    private readonly _page: Page,
    private readonly _dispatch: (command: unknown) => void
  ) {
    this._rendermime = rendermime.clone(); // the app's own registry must not learn of our widgets
    this.output = new SimplifiedOutputArea({
      model: new OutputAreaModel({ trusted: true }),
      rendermime: this._rendermime
    });
    this._page.changed.connect(this._tellKernel, this);
    this._listen(context.session?.kernel);
    context.kernelChanged.connect(this._onKernelChanged, this);
  }

  readonly output: SimplifiedOutputArea;

  get isDisposed(): boolean {
    return this.output.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    Signal.clearData(this);
    this._page.changed.disconnect(this._tellKernel, this);
    this.context.dispose();
    this.output.dispose();
  }

  /** Connect ipywidgets to this kernel. Throws WidgetsMissing. */
  async connectWidgets(): Promise<void> {
    const { registerWidgetManager } = await import('@jupyter-widgets/jupyterlab-manager').catch(() => {
      throw new WidgetsMissing();
    });
    // Of a document's context the manager uses these members only.
    const documentContext = {
      sessionContext: this.context,
      path: this.context.path,
      model: { getMetadata: () => undefined, setMetadata: () => undefined, dirty: false },
      saveState: new Signal<object, never>({}),
      urlResolver: { resolveUrl: async (url: string) => url, getDownloadUrl: async (url: string) => url }
    };
    type Context = Parameters<typeof registerWidgetManager>[0];
    registerWidgetManager(documentContext as unknown as Context, this._rendermime, [].values());
  }

  /** Show the panel's widgets. Throws DrawFailed. */
  async draw(): Promise<void> {
    const kernel = this.context.session?.kernel;
    if (!kernel) {
      throw new Error('The panel has no kernel.');
    }
    const future = kernel.requestExecute({ code: DRAW, store_history: false, stop_on_error: true });
    this.output.future = future;
    const { content } = await future.done;
    if (content.status === 'error') {
      throw new DrawFailed(content);
    }
    await this._openComm(kernel);
  }

  private async _openComm(kernel: Kernel.IKernelConnection): Promise<void> {
    const comm = kernel.createComm('renex:panel');
    await subshellOrSoon(comm);
    if (!comm.isDisposed) {
      comm.open({ notebook: this._page.notebook, theme: this._page.theme, tab: TAB });
      this._comm = comm;
    }
  }

  private _tellKernel(_: Page, change: { notebook: string | null } | { theme: string }): void {
    if (this._comm && !this._comm.isDisposed) {
      this._comm.send(change);
    }
  }

  private _onKernelChanged(_: unknown, change: { newValue: Kernel.IKernelConnection | null }): void {
    this._listen(change.newValue);
  }

  private _listen(kernel: Kernel.IKernelConnection | null | undefined): void {
    kernel?.registerCommTarget('renex:command', comm => {
      comm.onMsg = message => this._dispatch(message.content.data);
    });
  }

  private readonly _rendermime: IRenderMimeRegistry;
  private _comm: Kernel.IComm | null = null;
}

/** A comm that opens before its subshell runs would wait behind the cell that runs in the main shell. */
export async function subshellOrSoon(comm: Kernel.IComm, milliseconds = 500): Promise<void> {
  const { subshellStarted } = comm as Kernel.IComm & { subshellStarted?: Promise<void> };
  await Promise.race([subshellStarted, new Promise(resolve => setTimeout(resolve, milliseconds))]);
}
