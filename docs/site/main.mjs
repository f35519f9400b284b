/**
 * `npm run docs`: the site of every public name, into dist-docs. TypeDoc has a folder and a lock file of its own, since it
 * needs the JavaScript compiler that TypeScript 7 no longer has. A warning is a failure.
 */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"

const here = new URL(".", import.meta.url).pathname
const run = (program, args) => execFileSync(program, args, { cwd: here, stdio: "inherit" })

if (!existsSync(`${here}node_modules/typedoc`)) run("npm", ["ci", "--no-audit", "--no-fund"])
try {
  run(process.execPath, [
    "node_modules/typedoc/bin/typedoc",
    "--treatWarningsAsErrors",
    ...process.argv.slice(2)
  ])
} catch {
  process.exitCode = 1
}
