/** What a stranger does with the installed package, one check each. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { codeBlocks } from "../docs/examples.ts"
import { entryPoints, inferredExports } from "./inferred.ts"
import { type Project, root } from "./project.ts"
import { run, succeed } from "./run.ts"
import { strangersPath } from "./strangersPath.ts"
import { nodes, oldNode, type Runtime, runtimes } from "./runtimes.ts"

export interface Check {
  readonly name: string
  readonly check: (project: Project) => Promise<void>
}

const bin = (name: string): string => join(root, "node_modules/.bin", name)

const expected = (found: string, wanted: RegExp | string): void => {
  const isMet = typeof wanted === "string" ? found === wanted : wanted.test(found)
  if (!isMet) throw new Error(`expected ${wanted}, found:\n${found}`)
}

const lints: ReadonlyArray<Check> = [
  {
    name: "publint finds nothing",
    check: async ({ directory, tarball }) => {
      await succeed(bin("publint"), ["--strict", tarball], { cwd: directory })
    }
  },
  {
    name: "Are The Types Wrong finds nothing",
    check: async ({ directory, tarball }) => {
      await succeed(bin("attw"), ["--profile", "esm-only", "--no-emoji", "--no-color", tarball], {
        cwd: directory
      })
    }
  },
  {
    name: "package.json can be imported",
    check: async ({ directory }) => {
      const program = 'import p from "effect-quic/package.json" with { type: "json" }; console.log(p.name)'
      const [{ program: node }] = nodes
      expected(
        await succeed(node, ["--input-type=module", "-e", program], { cwd: directory }),
        "effect-quic\n"
      )
    }
  }
]

const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, declaration: true }

const resolutions = {
  nodenext: { module: "NodeNext", moduleResolution: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "Bundler" }
}

/** A strict library on top of ours: its programs, and everything it can infer. */
const types = (resolution: keyof typeof resolutions): Check => ({
  name: `a strict library compiles, declarations included (${resolution})`,
  check: async (project) => {
    const include = ["transfer.ts", "first.ts"]
    project.write("first.ts", firstProgram())
    for (const [i, entryPoint] of entryPoints.entries()) {
      project.write(`inferred${i}.ts`, inferredExports(entryPoint))
      include.push(`inferred${i}.ts`)
    }
    const compilerOptions = {
      ...strict,
      ...resolutions[resolution],
      target: "ES2024",
      lib: ["ES2024", "DOM"], // Effect's own declarations need it
      types: ["node"],
      outDir: `out-${resolution}`
    }
    project.write(`tsconfig.${resolution}.json`, JSON.stringify({ compilerOptions, include }))
    const tsc = "node_modules/typescript/bin/tsc"
    await succeed(process.execPath, [tsc, "--pretty", "false", "-p", `tsconfig.${resolution}.json`], {
      cwd: project.directory
    })
  }
})

/** The program that README begins with. */
const firstProgram = (): string => {
  const [first] = codeBlocks("README.md", readFileSync(join(root, "README.md"), "utf8"))
  return first.code
}

const prints = (runtime: Runtime, file: string, output: RegExp | string): Check => ({
  name: `${runtime.name} runs ${file}`,
  check: async (project) => {
    project.write("first.ts", firstProgram())
    const { directory: cwd } = project
    const printed = await succeed(runtime.program, [...runtime.args, file], { cwd, timeoutMillis: 180_000 })
    expected(printed, output)
  }
})

const runs = runtimes.flatMap((runtime) => [
  prints(runtime, "first.ts", "hello, QUIC\n"),
  prints(runtime, "transfer.ts", "10048000 bytes, intact\n")
])

const old: ReadonlyArray<Check> = ["effect-quic/layers/node", "./node_modules/.bin/effect-quic"].map(
  (specifier) => ({
    name: `${oldNode.name} is told what it lacks in one line by ${specifier}`,
    check: async ({ directory: cwd }) => {
      const { code, stderr } = await run(
        oldNode.program,
        ["--input-type=module", "-e", `await import(${JSON.stringify(specifier)})`],
        { cwd }
      )
      expected(`${code} ${stderr}`, /^1 effect-quic needs Node 22\.19 or later; this is 20\.\d+\.\d+\n$/)
    }
  })
)

const commands: ReadonlyArray<Check> = nodes.map(({ name, program }) => ({
  name: `${name} runs the demo of the installed command`,
  check: async ({ directory: cwd }) => {
    const path = join(program, "..")
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    expected(
      await succeed("node_modules/.bin/effect-quic", ["--version"], { cwd, path }),
      new RegExp(version)
    )
    const demo = await run("node_modules/.bin/effect-quic", ["demo", "--size", "1MB"], { cwd, path })
    expected(`${demo.code} ${demo.stdout}${demo.stderr}`, /^0 [\s\S]*The digests match\./)
  }
}))

export const checks: ReadonlyArray<Check> = [
  ...lints,
  types("nodenext"),
  types("bundler"),
  ...runs,
  ...old,
  ...commands,
  ...strangersPath()
]
