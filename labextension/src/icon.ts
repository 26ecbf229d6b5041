import { LabIcon } from '@jupyterlab/ui-components';

import panelSvg from '../style/panel.svg';

export const renexIcon = new LabIcon({ name: 'renex-jupyter:panel', svgstr: panelSvg });
