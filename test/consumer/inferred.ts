/**
 * A library that names none of our types and exports them all the same: each exported value, and each member of an
 * exported class or interface, as a constant whose type is inferred. With `declaration: true` it compiles only if every
 * type of a public signature can be imported from the package.
 */
import { type PublicName, publicNames } from "../docs/publicNames.ts"

export interface EntryPoint {
  /** As a program imports it. */
  readonly specifier: string
  /** Of its source, from the root of the project. */
  readonly source: string
}

const layer = (name: string): EntryPoint => ({
  specifier: `effect-quic/layers/${name}`,
  source: `layers/${name}/index.ts`
})

export const entryPoints: ReadonlyArray<EntryPoint> = [
  { specifier: "effect-quic", source: "src/index.ts" },
  ...["node", "ffi", "noble", "udp", "sim", "sim/vitest"].map(layer)
]

const isType = ({ declaration }: PublicName) => /^TS|^Class/.test(declaration)
const isValue = ({ declaration, isTypeOnly }: PublicName) =>
  isTypeOnly !== true && /^Function|^Variable|^Class/.test(declaration)

const qualified = ({ namespace, name }: PublicName): string =>
  namespace === undefined ? `all.${name}` : `all.${namespace}.${name}`

/** The source of that library for one entry point. */
export const inferredExports = ({ specifier, source }: EntryPoint): string => {
  const names = publicNames([source])
  const owners = new Map(names.filter(isType).map((owner) => [`${owner.file} ${owner.name}`, owner]))
  const lines = names.flatMap((one, i): ReadonlyArray<string> => {
    if (!one.isMember) return isValue(one) ? [`export const value${i} = ${qualified(one)}`] : []
    const [owner, member] = one.name.split(".")
    const type = owners.get(`${one.file} ${owner}`)
    if (type === undefined) return []
    if (one.isStatic) return [`export const static${i} = ${qualified(type)}.${member}`]
    const parameters = Array.from({ length: type.typeParameters }, () => "any").join(", ")
    const of = parameters === "" ? qualified(type) : `${qualified(type)}<${parameters}>`
    return [`export const member${i} = (of: ${of}) => of.${member}`]
  })
  // whoever uses a layer imports the package itself somewhere
  const imports = [`import * as all from "${specifier}"`, 'import type {} from "effect-quic"']
  return [...imports, ...lines, ""].join("\n")
}
