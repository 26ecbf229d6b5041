import { SessionContext } from '@jupyterlab/apputils';
import type { ServiceManager, Session } from '@jupyterlab/services';

/** The session path that all tabs of one server share. It names no file. */
const PATH = 'renex-panel';

/** The sessions of the panel, oldest first: the server lists sessions in the order of their creation. */
function panelSessions(services: ServiceManager.IManager): Session.IModel[] {
  return [...services.sessions.running()].filter(session => session.path === PATH);
}

/** The session that every tab agrees on, if the panel has a kernel at all. */
export function agreedSession(services: ServiceManager.IManager): Session.IModel | undefined {
  return panelSessions(services)[0];
}

/**
 * Attach to the panel's kernel, or start it.
 *
 * Two tabs that open at the same instant may each start one. Each tab then gives up its own kernel if another one is
 * older, and never another tab's, so that exactly one is left.
 */
export async function connectPanelKernel(services: ServiceManager.IManager): Promise<SessionContext> {
  await services.ready;
  const context = new SessionContext({
    sessionManager: services.sessions,
    specsManager: services.kernelspecs,
    kernelManager: services.kernels,
    path: PATH,
    name: 'Renex panel',
    type: 'renex',
    kernelPreference: {
      name: 'python3',
      language: 'python',
      autoStartDefault: true,
      shouldStart: true,
      canStart: true,
      shutdownOnDispose: false
    }
  });
  const needsChoice = await context.initialize(); // lists the running sessions anew and attaches by path
  const session = context.session;
  if (needsChoice || !session?.kernel) {
    context.dispose();
    throw new Error('No Python kernel could be started.');
  }
  await services.sessions.refreshRunning();
  const agreed = agreedSession(services);
  if (agreed && agreed.id !== session.id) {
    await giveUp(services, context);
    return connectPanelKernel(services);
  }
  return context;
}

/** Shut down the kernel behind a context of this tab; a kernel that is already gone is fine. */
export async function giveUp(services: ServiceManager.IManager, context: SessionContext): Promise<void> {
  const id = context.session?.id;
  context.dispose();
  if (id) {
    await services.sessions.shutdown(id).catch(() => undefined);
  }
}
