/** Marks dist/cjs as CommonJS: the package itself is ESM. */
import { writeFileSync } from 'node:fs';

writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
