/**
 * `npm run consumer` packs the package, installs it in a new project and uses it as strangers do: their compilers,
 * their linters of packages, each runtime. `--json FILE` writes the results.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { checks } from "./checks.ts"
import { makeProject } from "./project.ts"
import { installRuntimes } from "./runtimes.ts"

const [, json] = /--json[ =](\S+)/.exec(process.argv.join(" ")) ?? []
const [, only] = /--only[ =](\S+)/.exec(process.argv.join(" ")) ?? []

const rows: Array<{ readonly name: string; readonly result: "pass" | "fail"; readonly problem?: string }> = []

const attempt = async (name: string, check: () => Promise<void>): Promise<void> => {
  try {
    await check()
    rows.push({ name, result: "pass" })
    console.log(`✓ ${name}`)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    rows.push({ name, result: "fail", problem })
    console.log(`✗ ${name}\n${problem.replace(/^/gm, "    ")}`)
  }
}

const [project] = await Promise.all([makeProject(), installRuntimes()])
try {
  for (const { name, check } of checks)
    if (only === undefined || name.includes(only)) await attempt(name, () => check(project))
} finally {
  await project.close()
  if (!process.argv.includes("--keep")) project.remove()
  else console.log(join(project.directory))
}
if (json !== undefined) writeFileSync(json, JSON.stringify(rows, null, 2))
const failed = rows.filter(({ result }) => result === "fail").length
console.log(`${rows.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
