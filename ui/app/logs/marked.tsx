// A line's text, with what was looked for pointed out. Only ever text, whatever is in it.

const SHOWN_CHARS = 2000;
const MARKS_MAX = 50;

export function Marked({ text, marks }: { text: string; marks: string[] }) {
  const shown = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  if (marks.length === 0) return <>{shown}</>;
  return <>{pieces(shown, marks).map((piece, index) => (index % 2 ? <mark key={index}>{piece}</mark> : piece))}</>;
}

/** The text in pieces: every second one is a mark. */
export function pieces(text: string, marks: string[]): string[] {
  const found: string[] = [];
  let at = 0;
  while (found.length < 2 * MARKS_MAX) {
    let [begin, length] = [-1, 0];
    for (const mark of marks) {
      const index = mark ? text.indexOf(mark, at) : -1;
      if (index >= 0 && (begin < 0 || index < begin)) [begin, length] = [index, mark.length];
    }
    if (begin < 0) break;
    found.push(text.slice(at, begin), text.slice(begin, begin + length));
    at = begin + length;
  }
  return [...found, text.slice(at)];
}
