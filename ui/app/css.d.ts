// Styles are bundled by esbuild; the type checker only needs to know they exist.
declare module '*.css';
