// Dark or light: the system's choice until the reader makes one.

import { signal } from '@preact/signals';

export type Theme = 'auto' | 'dark' | 'light';

const KEY = 'sonde.theme';
const ORDER: Theme[] = ['auto', 'dark', 'light'];

export const theme = signal<Theme>(stored());

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === 'dark' || value === 'light' ? value : 'auto';
}

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme.value;
}

export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!;
  localStorage.setItem(KEY, theme.value);
  applyTheme();
}
