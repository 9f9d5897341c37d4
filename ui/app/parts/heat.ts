// When a share of failed calls is worth a look: from 1 % warm, from 5 % hot.

export const errorHeat = (ratio: number | null): string => (ratio === null ? 'muted' : ratio >= 0.05 ? 'hot' : ratio >= 0.01 ? 'warm' : '');
