import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { PageCommands } from './commands';
import { renexIcon } from './icon';
import { answerNotebookRequests } from './notebook';
import { Page } from './page';
import { RenexPanel } from './panel';

const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'renex-jupyter:plugin',
  description: 'The Renex side panel.',
  autoStart: true,
  requires: [IRenderMimeRegistry, INotebookTracker],
  optional: [ILayoutRestorer, ICommandPalette, IThemeManager],
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    tracker: INotebookTracker,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    themes: IThemeManager | null
  ) => {
    const commands = new PageCommands(app, tracker, () => panel.touched);
    const panel = new RenexPanel(app.serviceManager, rendermime, new Page(tracker, themes), command =>
      commands.dispatch(command)
    );
    app.shell.add(panel, 'right', { rank: 500, type: 'Renex' });
    restorer?.add(panel, panel.id);

    app.commands.addCommand('renex:show', {
      label: 'Show Renex Panel',
      icon: renexIcon,
      execute: () => app.shell.activateById(panel.id)
    });
    app.commands.addCommand('renex:restart-panel', {
      label: 'Restart Renex Panel',
      execute: () => panel.restart()
    });
    for (const command of ['renex:show', 'renex:restart-panel']) {
      palette?.addItem({ command, category: 'Renex' });
    }
  }
};

const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'renex-jupyter:notebook',
  description: "Answers a kernel that asks for its notebook's unsaved content.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker) => answerNotebookRequests(tracker)
};

export default [panelPlugin, notebookPlugin];
