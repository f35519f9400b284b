/**
 * `npm run house` prints code metrics. `--check` fails on rule violations, and is part of `npm run check`.
 */
import { circles, unassignedFolders, upwardImports } from "./imports.ts"
import { readSources } from "./sources.ts"

const files = readSources(new URL("../..", import.meta.url).pathname)
const limits = { fileLines: 400, functionLines: 80, classFields: 16 }

const largest = [...files].sort((a, b) => b.lines - a.lines)
const functions = files
  .flatMap((file) => file.functions)
  .filter(({ isFlatSwitch }) => !isFlatSwitch)
  .sort((a, b) => b.lines - a.lines)
const classes = files
  .flatMap((file) => file.classes)
  .filter(({ isRecord }) => !isRecord)
  .sort((a, b) => b.fields - a.fields)
const cyclic = circles(files)
const upward = upwardImports(files)

const top = <A>(items: ReadonlyArray<A>, line: (item: A) => string): string =>
  items
    .slice(0, 5)
    .map((item) => `  ${line(item)}`)
    .join("\n")

if (!process.argv.includes("--check")) {
  console.log(
    `${files.length} files, median ${largest[Math.floor(files.length / 2)].lines} lines; the longest:`
  )
  console.log(top(largest, ({ path, lines }) => `${lines} ${path}`))
  const long = functions.filter(({ lines }) => lines > 60).length
  console.log(`${functions.length} functions, ${long} of them over 60 lines; the longest:`)
  console.log(top(functions, ({ file, name, lines }) => `${lines} ${name} in ${file}`))
  console.log(`${classes.length} classes with methods; the most fields:`)
  console.log(top(classes, ({ file, name, fields }) => `${fields} ${name} in ${file}`))
  console.log(`${cyclic.length} import circles; ${upward.length} upward imports`)
}

const violations = [
  ...largest
    .filter(({ lines }) => lines > limits.fileLines)
    .map(({ path, lines }) => `${path} has ${lines} lines`),
  ...functions
    .filter(({ lines }) => lines > limits.functionLines)
    .map(({ file, name, lines }) => `${file}: ${name} has ${lines} lines`),
  ...classes
    .filter(({ fields }) => fields > limits.classFields)
    .map(({ file, name, fields }) => `${file}: ${name} has ${fields} fields`),
  ...cyclic.map((group) => `import circle: ${group.join(", ")}`),
  ...upward.map((edge) => `upward import: ${edge}`),
  ...unassignedFolders(files).map((folder) => `${folder} has no layer in test/house/imports.ts`)
]
for (const violation of violations) console.log(violation)
if (violations.length > 0) process.exitCode = 1
