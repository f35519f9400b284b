/** Mutations of a certificate before it is signed. */
import type { Issued } from "./certificateFactory.ts"
import { seeded } from "../protect/bytes.ts"
import { copyTree, type DerNode, descendants, leafNode, parentNode, parseTree } from "./derTree.ts"
import { oddities, oddKeys, signatureAlgorithms, tags, times } from "./oddParts.ts"

/** Draws random numbers and choices. */
export class Dice {
  private readonly random

  constructor(seed: number) {
    this.random = seeded(seed)
  }

  below(limit: number): number {
    const [a, b, c] = this.random(3)
    return ((a << 16) | (b << 8) | c) % limit
  }

  one<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  bytes(length: number): Uint8Array {
    return this.random(length)
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
export const hex = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, "hex"))

export const attribute = (id: string, tag: number, value: Uint8Array): DerNode =>
  parentNode(0x30, leafNode(0x06, hex(id)), leafNode(tag, value))

/** Changes the tree of the to-be-signed certificate. */
type Mutation = (tbs: DerNode, dice: Dice, others: ReadonlyArray<Issued>) => void

const anyNode = (tbs: DerNode, dice: Dice): DerNode => dice.one(descendants(tbs).slice(1))
const parents = (tbs: DerNode) => descendants(tbs).filter(({ children = [] }) => children.length > 0)
const subjectOf = (tbs: DerNode): DerNode => tbs.children![5]
const keyOf = (tbs: DerNode): DerNode => tbs.children![6]
const extensionsOf = (tbs: DerNode): DerNode | undefined => tbs.children?.at(-1)?.children?.[0]
export const pem = (der: Uint8Array): Uint8Array =>
  text(`\n-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`)

const extensionNode = (id: string, critical: boolean, value: Uint8Array): DerNode =>
  parentNode(
    0x30,
    leafNode(0x06, hex(id)),
    ...(critical ? [leafNode(0x01, Uint8Array.of(0xff))] : []),
    leafNode(0x04, value)
  )

/** Re-encodes the attribute's text as another string type. */
const restring = (value: DerNode, tag: number): void => {
  const characters = [...Buffer.from(value.content).toString("utf8")]
  const size = tag === 0x1e ? 2 : tag === 0x1c ? 4 : 1
  value.tag = tag
  value.content = Uint8Array.from(
    characters.flatMap((one) => [0, 0, 0, one.codePointAt(0)! & 0xff].slice(4 - size))
  )
}

export const mutations: { readonly [name: string]: Mutation } = {
  "swap fields": (tbs, dice) => {
    const { children } = dice.one(parents(tbs))
    const [a, b] = [dice.below(children!.length), dice.below(children!.length)]
    const kept = children![a]
    children![a] = children![b]
    children![b] = kept
  },
  "drop a field": (tbs, dice) => {
    const { children } = dice.one(parents(tbs))
    children!.splice(dice.below(children!.length), 1)
  },
  "double a field": (tbs, dice) => {
    const { children } = dice.one(parents(tbs))
    const at = dice.below(children!.length)
    children!.splice(at, 0, copyTree(children![at]))
  },
  "change a type": (tbs, dice) => {
    anyNode(tbs, dice).tag = dice.one(tags)
  },
  "change a value": (tbs, dice) => {
    const node = dice.one(descendants(tbs).filter(({ children }) => children === undefined))
    const bytes = [...node.content]
    const at = dice.below(bytes.length + 1)
    const value = dice.one([0, 1, 0x7f, 0x80, 0xff, dice.below(256)])
    bytes.splice(at, dice.below(2), ...(dice.chance(70) ? [value] : []))
    node.content = Uint8Array.from(bytes)
  },
  "take a field from another": (tbs, dice, others) => {
    const from = parseTree(dice.one(others).der).children![0]
    const node = anyNode(tbs, dice)
    const alike = descendants(from).filter(({ tag }) => tag === node.tag)
    Object.assign(node, copyTree(dice.one(alike.length > 0 && dice.chance(80) ? alike : descendants(from))))
  },
  "change a length": (tbs, dice) => {
    anyNode(tbs, dice).length = dice.one(["long", "indefinite"])
  },
  "put another in as PEM": (tbs, dice, others) => {
    const value = pem(dice.one(others).der)
    const extensions = extensionsOf(tbs)
    if (dice.chance(50) && extensions?.children)
      extensions.children.push(extensionNode("2a0304", false, value))
    else subjectOf(tbs)?.children?.push(parentNode(0x31, attribute("55040a", 0x0c, value)))
  },
  "put another in as DER": (tbs, dice, others) => {
    const { der } = dice.one(others)
    const extensions = extensionsOf(tbs)
    if (dice.chance(50) && extensions?.children) extensions.children.push(extensionNode("2a0304", false, der))
    else dice.one(parents(tbs)).children!.push(parseTree(der))
  },
  "add an extension": (tbs, dice) => {
    const [id, value] = dice.one(oddities)
    extensionsOf(tbs)?.children?.push(extensionNode(id, dice.chance(30), hex(value)))
  },
  "replace an extension": (tbs, dice) => {
    const [id, value] = dice.one(oddities)
    const list = extensionsOf(tbs)?.children
    if (list === undefined) return
    const at = list.findIndex(
      ({ children }) => Buffer.compare(children?.[0]?.content ?? text(""), hex(id)) === 0
    )
    const critical = dice.chance(30)
    list.splice(at === -1 ? list.length : at, at === -1 ? 0 : 1, extensionNode(id, critical, hex(value)))
  },
  "change a string's type": (tbs, dice) => {
    const value = subjectOf(tbs)?.children?.[0]?.children?.[0]?.children?.[1]
    if (value !== undefined) restring(value, dice.one([0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a, 0x1c, 0x1e]))
  },
  "change a name": (tbs, dice) => {
    const value = dice.one([
      "Evil",
      "EVIL ",
      "secret.example.org",
      "evil.net",
      "a.example.org",
      "\0",
      "",
      "é",
      "x\0y"
    ])
    const id = dice.one(["550403", "550403", "55040a", "2a864886f70d010901", "80"])
    const node = attribute(id, 0x0c, text(value))
    if (dice.chance(50)) restring(node.children![1], dice.one([0x0c, 0x13, 0x14, 0x16, 0x1c, 0x1e]))
    const names = subjectOf(tbs)?.children
    if (names === undefined) return
    const where = dice.one(["alone", "alone", "below", "beside"])
    if (where === "alone") names.splice(0, names.length, parentNode(0x31, node))
    else if (where === "below") names.push(parentNode(0x31, node))
    else names[0]?.children?.push(node)
  },
  "take the issuer's name": (tbs, dice) => {
    const [issuer, subject] = [tbs.children?.[3], subjectOf(tbs)]
    if (issuer !== undefined && subject !== undefined) Object.assign(subject, copyTree(issuer))
    // and sometimes also drops the key identifiers that tell them apart
    if (dice.chance(50)) extensionsOf(tbs)?.children?.pop()
  },
  "change a time": (tbs, dice) => {
    const validity = tbs.children?.[4]?.children
    if (validity === undefined || validity.length === 0) return
    validity[dice.below(validity.length)] = leafNode(dice.one([0x17, 0x18]), text(dice.one(times)))
  },
  "change the version": (tbs, dice) => {
    const version = tbs.children?.[0]
    if (dice.chance(30)) tbs.children?.shift()
    else if (version) version.children = [leafNode(0x02, Uint8Array.of(dice.below(5)))]
  },
  "change the serial number": (tbs, dice) => {
    const serial = tbs.children?.[1]
    if (serial)
      serial.content = dice.one([hex(""), hex("00"), hex("ff"), hex("0001"), hex("ff80"), dice.bytes(25)])
  },
  "give unique identifiers": (tbs, dice) => {
    const value = dice.one([hex("0001"), hex(""), hex("0801"), hex("07")])
    tbs.children?.splice(7, 0, leafNode(dice.one([0x81, 0x82, 0x83, 0xa1]), value))
  },
  "change the key": (tbs, dice) => {
    const key = keyOf(tbs)
    if (key !== undefined) Object.assign(key, parseTree(dice.one(oddKeys())))
  },
  "change the algorithm": (tbs, dice) => {
    const algorithm = tbs.children?.[2]
    if (algorithm) Object.assign(algorithm, parseTree(hex(dice.one(signatureAlgorithms))))
  }
}
