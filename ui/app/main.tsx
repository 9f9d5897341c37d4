// Starts the pages.

import { render } from 'preact';
import './style/index.css';
import { App } from './app';
import { startRouter } from './router';
import { applyTheme } from './theme';

applyTheme();
startRouter();
render(<App />, document.getElementById('app')!);
