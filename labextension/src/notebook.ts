import type * as nbformat from '@jupyterlab/nbformat';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { JSONValue } from '@lumino/coreutils';

import { subshellOrSoon } from './host';

/** Let each notebook's kernel ask for the notebook as it stands on the page, saved or not. */
export function answerNotebookRequests(tracker: INotebookTracker): void {
  tracker.forEach(listen);
  tracker.widgetAdded.connect((_, panel) => listen(panel));
}

function listen(panel: NotebookPanel): void {
  const onKernel = (kernel: Kernel.IKernelConnection | null | undefined) => {
    let last: Kernel.IComm[] = [];
    kernel?.registerCommTarget('renex:notebook', (question, open) => {
      // Returns nothing: the page would read no further message of this kernel while a returned promise is pending.
      void answer(panel, kernel, open.content.data.req ?? null).then(reply => {
        // Not earlier: closing the only comm of a target ends its subshell, with the message perhaps still unread.
        // And by us: a page that was loaded anew would not know what the kernel closes.
        last.filter(comm => !comm.isDisposed).forEach(comm => comm.close());
        last = [question, reply];
      });
    });
  };
  panel.sessionContext.kernelChanged.connect((_, change) => onKernel(change.newValue));
  onKernel(panel.sessionContext.session?.kernel);
}

/**
 * Answer on a comm of our own, which the kernel reads in a subshell.
 *
 * The cell that asked still runs in the main shell, and ipykernel reads a reply on the comm that asked only there.
 */
async function answer(panel: NotebookPanel, kernel: Kernel.IKernelConnection, req: JSONValue): Promise<Kernel.IComm> {
  const comm = kernel.createComm('renex:reply');
  await subshellOrSoon(comm);
  if (panel.isDisposed || comm.isDisposed) {
    return comm;
  }
  const { context } = panel;
  comm.open({
    req,
    path: context.localPath,
    dirty: context.model.dirty,
    notebook: withoutOutputs(context.model.toJSON() as unknown as nbformat.INotebookContent) as unknown as JSONValue
  });
  return comm;
}

/** Outputs may be many megabytes, and a snapshot does not keep them. */
function withoutOutputs(notebook: nbformat.INotebookContent): nbformat.INotebookContent {
  const cells = notebook.cells.map(cell => (cell.cell_type === 'code' ? { ...cell, outputs: [] } : cell));
  return { ...notebook, cells };
}
