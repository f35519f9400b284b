/** What a program can import is documented. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { root } from "./examples.ts"
import { type PublicName, publicNames } from "./publicNames.ts"

const entryPoints = [
  "src/index.ts",
  ...readdirSync(join(root, "layers"), { encoding: "utf8", recursive: true })
    .filter((name) => name.endsWith("index.ts"))
    .map((name) => `layers/${name}`)
]

const names = publicNames(entryPoints)

it("every exported name has a summary, a category and the version it is there since; every member a summary", () => {
  expect(names.length).toBeGreaterThan(300)
  const missing = names.flatMap(({ file, line, name, doc, isMember }) => {
    const parts = [
      /^[^@*]/.test(doc) ? undefined : "a summary",
      isMember || /^@category [a-z ]+$/m.test(doc) ? undefined : "@category",
      isMember || /^@since \d+\.\d+\.\d+$/m.test(doc) ? undefined : "@since"
    ].filter((part) => part !== undefined)
    return parts.length === 0 ? [] : [`${file}:${line}: ${name} lacks ${parts.join(", ")}`]
  })
  expect(missing).toEqual([])
})

it("every option says what it is when left out", () => {
  const server = publicNames(["src/EndpointOptions.ts"]).filter(({ name }) =>
    name.startsWith("ServerSchema.")
  )
  const isOption = ({ name, isOptional }: PublicName) => isOptional && /Options\./.test(name)
  const options = [...names.filter(isOption), ...server]
  expect(options.map(({ name }) => name)).toContain("TransportOptions.maxIdleTimeout")
  const silent = options.filter(({ doc }) => !/\bdefaults?\b/i.test(doc))
  expect(silent.map(({ file, line, name }) => `${file}:${line}: ${name}`)).toEqual([])
})

/** Data of the simulator: its networks and faults are stored, printed and compared. */
const simulated = /^(?:Sim|Link|Delay|Fault|Nat|Queue|Timed|Layer)/

it("an option that is a duration takes what Effect takes for one", () => {
  const numbers = names.filter(
    ({ name, isOptional }) => isOptional && /(?:Millis|Micros|Seconds)$/.test(name) && !simulated.test(name)
  )
  expect(numbers.map(({ file, line, name }) => `${file}:${line}: ${name}`)).toEqual([])
})
