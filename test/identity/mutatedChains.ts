/**
 * Chains of certificates with something wrong, or odd, in one or two of them, and signed all the same: what nobody issues by
 * accident. Drawn from a seed.
 */
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto"
import type { Extension } from "pkijs"
import { encodePkcs8 } from "../../layers/keys/keyEncodings.ts"
import { extension, spkiOf } from "../../layers/node/certificates/issueCertificate.ts"
import { seeded } from "../protect/bytes.ts"
import {
  caExtensions,
  day,
  type Issued,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  leafExtensions,
  newKey,
  now,
  withExponent
} from "./certificateFactory.ts"
import {
  copyTree,
  type DerNode,
  descendants,
  encodeTree,
  leafNode,
  parentNode,
  parseTree
} from "./derTree.ts"

export interface MutatedChain {
  readonly root: Uint8Array
  /** Leaf first. */
  readonly shown: ReadonlyArray<Uint8Array>
  readonly role: "client" | "server"
  readonly serverName: string | undefined
  readonly at: number
  /** What was done, for whoever has to find out. */
  readonly deeds: ReadonlyArray<string>
}

/** Draws numbers and choices. */
class Dice {
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

const privateKey = (kind: "ed25519" | "p256", seed: number): KeyObject =>
  createPrivateKey({
    key: Buffer.from(encodePkcs8(kind, seeded(seed)(32))),
    format: "der",
    type: "pkcs8"
  })

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const hex = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, "hex"))
const raw = (id: string, value: string, critical = false): Extension =>
  extension(id, critical, hex(value).buffer as ArrayBuffer)

/** Root first, leaf last; `above[i]` has signed `certificates[i]`. */
interface Base {
  readonly certificates: ReadonlyArray<Issued>
}

const dnsConstraint = "2.5.29.30"
/** Permits example.org and the subjects under `O=Good`, excludes secret.example.org, 10/8, the mail of evil.org and `CN=Evil`. */
const constrained = (): Extension => {
  const subtree = (tag: number, content: Uint8Array) => parentNode(0x30, leafNode(tag, content))
  const nameOf = (...attributes: ReadonlyArray<DerNode>) =>
    parentNode(0x30, parentNode(0xa4, parentNode(0x30, ...attributes.map((one) => parentNode(0x31, one)))))
  const value = parentNode(
    0x30,
    parentNode(0xa0, subtree(0x82, text("example.org"))),
    parentNode(
      0xa1,
      subtree(0x82, text("secret.example.org")),
      subtree(0x81, text("evil.org")),
      subtree(0x87, hex("0a000000ff000000")),
      nameOf(attribute("550403", 0x0c, text("Evil")))
    )
  )
  return extension(dnsConstraint, true, Uint8Array.from(encodeTree(value)).buffer)
}

const attribute = (id: string, tag: number, value: Uint8Array): DerNode =>
  parentNode(0x30, leafNode(0x06, hex(id)), leafNode(tag, value))

const keyIds = (own: number, above: number): ReadonlyArray<Extension> => [
  raw("2.5.29.14", `0402aa0${own}`),
  raw("2.5.29.35", `30048002aa0${above}`)
]

const makeBases = (): ReadonlyArray<Base> => {
  const ed = (seed: number) => privateKey("ed25519", seed)
  const ec = (seed: number) => privateKey("p256", seed)
  const rootA = issueRoot({ name: "Root A", key: ed(1) })
  const middleA = issueIntermediate({ name: "Middle A", by: rootA, key: ec(2) })
  const rootB = issueRoot({ name: "Root B", key: ec(3), extensions: [...caExtensions(2), ...keyIds(1, 1)] })
  const middleB = issueIntermediate({
    name: "Middle B",
    by: rootB,
    key: ed(4),
    extensions: [...caExtensions(1), ...keyIds(2, 1), constrained()]
  })
  const lowerB = issueIntermediate({
    name: "Lower B",
    by: middleB,
    key: ed(5),
    extensions: [...caExtensions(0), ...keyIds(3, 2)]
  })
  const [base, usage, , names] = leafExtensions("example.org", "www.example.org", "192.0.2.1")
  const rootC = issueRoot({ name: "Root C", key: newKey("rsa") })
  return [
    { certificates: [rootA, middleA, issueLeaf({ name: "example.org", by: middleA, key: ed(6) })] },
    {
      certificates: [
        rootB,
        middleB,
        lowerB,
        issueLeaf({
          name: "www.example.org",
          by: lowerB,
          key: ec(7),
          extensions: [base, usage, names, ...keyIds(4, 3)]
        })
      ]
    },
    { certificates: [rootB, middleB, issueLeaf({ by: middleB, key: ed(8), extensions: [usage] })] },
    { certificates: [rootC, issueLeaf({ by: rootC, key: ed(9), pss: true })] }
  ]
}

const tags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1c, 0x1e, 0x30, 0x31,
  0x80, 0x81, 0x82, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4
]

/** Extensions that somebody somewhere reads. */
const oddities: ReadonlyArray<readonly [id: string, value: string]> = [
  ["551d0e", "0400"],
  ["551d0e", "0402aa01"],
  ["551d0e", "3000"],
  ["551d0f", "03020780"],
  ["551d0f", "03020640"],
  ["551d0f", "03020204"],
  ["551d0f", "03020186"],
  ["551d0f", "030100"],
  ["551d0f", "030206ff"],
  ["551d0f", "0303078080"],
  ["551d11", "3000"],
  ["551d11", "300d820b6578616d706c652e6f7267"], // example.org
  ["551d11", "300f820d2a2e6578616d706c652e6f7267"], // *.example.org
  ["551d11", "300e820c6578616d706c652e6f726700"],
  ["551d11", "300687040a000001"],
  ["551d11", "300587030a0000"],
  ["551d11", "300a8108614065766c2e6f"],
  ["551d11", "3014a4123010310e300c06035504030c054576696c21"],
  ["551d11", "3013a411300f310d300b06035504031e0445007600"],
  ["551d11", "301aa01806082b06010505070809a00c0c0a61406576696c2e6f7267"], // SmtpUTF8Mailbox a@evil.org
  ["551d11", "3006880452034405"],
  ["551d11", "3004880280ff"],
  ["551d11", "3004a3023000"],
  ["551d12", "3000"],
  ["551d13", "3000"],
  ["551d13", "30030101ff"],
  ["551d13", "30030101fe"],
  ["551d13", "3003010100"],
  ["551d13", "30060101ff020100"],
  ["551d13", "30060101ff0201ff"],
  ["551d13", "30070101ff02020000"],
  ["551d13", "3003020100"],
  ["551d1e", "3000"],
  ["551d1e", "300fa00d300b8209657861626c652e6f67"],
  ["551d1e", "3014a0123010820b6578616d706c652e6f7267800100"],
  ["551d1e", "3014a0123010820b6578616d706c652e6f7267800101"],
  ["551d1e", "300ba109300787050a0000ff00"],
  ["551d1e", "3006a104300288 00".replace(" ", "")],
  ["551d1e", "3015a1133011a40f300d310b300906035504030c024576"],
  ["551d1f", "3000"],
  ["551d1f", "3016 3014a012a01086 0e687474703a2f2f6578616d706c652f".replaceAll(" ", "")],
  ["551d1f", "30043002 0500".replace(" ", "")],
  ["551d1f", "30053003810100"],
  ["551d1f", "3003020101"],
  ["551d20", "300630040602 2a03".replace(" ", "")],
  ["551d20", "0500"],
  ["551d21", "3000"],
  ["551d23", "3000"],
  ["551d23", "30048002aa01"],
  ["551d23", "30048002bb01"],
  ["551d23", "3003820101"],
  ["551d23", "30048202 0001".replace(" ", "")],
  ["551d23", "3002a100"],
  ["551d24", "3003800100"],
  ["551d25", "3000"],
  ["551d25", "300a06082b06010505070301"],
  ["551d25", "300a06082b06010505070302"],
  ["551d25", "300606 04551d2500".replace(" ", "")],
  ["551d25", "300d060960 86480186f8420401".replace(" ", "")],
  ["551d36", "020100"],
  ["6086480186f8420101", "03020640"],
  ["6086480186f8420101", "03020780"],
  ["6086480186f8420101", "03020204"],
  ["6086480186f8420101", "0500"],
  ["2b0601050507010e", "300c300a06082b06010505071501"],
  ["2b06010505070107", "300a30080402000130020500"],
  ["2b06010505070107", "30083006040200010500"],
  ["2b06010505070108", "3004a0020500"],
  ["2b06010505070101", "3000"],
  ["2a0304", "0500"],
  ["2a0304", ""]
]

const times = [
  "991231235959Z",
  "261231235959Z",
  "261231235960Z",
  "260229000000Z",
  "280229000000Z",
  "261331000000Z",
  "260132000000Z",
  "2612312359Z",
  "26123123595Z",
  "261231235959+0000",
  "261231235959.0Z",
  "20261231235959Z",
  "20261231235959.5Z",
  "202612312359Z",
  "20261231240000Z",
  "99991231235959Z",
  "20261231235959",
  "26-231235959Z",
  ""
]

/** Everything that may be done to the tree of what is signed. */
type Deed = (tbs: DerNode, dice: Dice, others: ReadonlyArray<Issued>) => void

const anyNode = (tbs: DerNode, dice: Dice): DerNode => dice.one(descendants(tbs).slice(1))
const parents = (tbs: DerNode) => descendants(tbs).filter(({ children = [] }) => children.length > 0)
const subjectOf = (tbs: DerNode): DerNode => tbs.children![5]
const keyOf = (tbs: DerNode): DerNode => tbs.children![6]
const extensionsOf = (tbs: DerNode): DerNode | undefined => tbs.children?.at(-1)?.children?.[0]
const pem = (der: Uint8Array): Uint8Array =>
  text(`\n-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`)

const extensionNode = (id: string, critical: boolean, value: Uint8Array): DerNode =>
  parentNode(
    0x30,
    leafNode(0x06, hex(id)),
    ...(critical ? [leafNode(0x01, Uint8Array.of(0xff))] : []),
    leafNode(0x04, value)
  )

/** The attribute's text in another string type. */
const restring = (value: DerNode, tag: number): void => {
  const characters = [...Buffer.from(value.content).toString("utf8")]
  const size = tag === 0x1e ? 2 : tag === 0x1c ? 4 : 1
  value.tag = tag
  value.content = Uint8Array.from(
    characters.flatMap((one) => [0, 0, 0, one.codePointAt(0)! & 0xff].slice(4 - size))
  )
}

const deeds: { readonly [name: string]: Deed } = {
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
    if (key !== undefined) Object.assign(key, parseTree(dice.one(keys())))
  },
  "change the algorithm": (tbs, dice) => {
    const algorithm = tbs.children?.[2]
    if (algorithm) Object.assign(algorithm, parseTree(hex(dice.one(signatureAlgorithms))))
  }
}

const signatureAlgorithms = [
  "300506032b6570",
  "300706032b65700500",
  "300d06092a864886f70d01010b0500",
  "300b06092a864886f70d01010b",
  "300d06092a864886f70d0101050500",
  "300a06082a8648ce3d040302",
  "300c06082a8648ce3d0403020500",
  "300b06092a864886f70d01010a",
  "300d06092a864886f70d01010a3000"
]

let cachedKeys: ReadonlyArray<Uint8Array> | undefined

/** Of kinds that are good for signatures, of kinds that are not, and written in ways that are not. */
const keys = (): ReadonlyArray<Uint8Array> => {
  if (cachedKeys !== undefined) return cachedKeys
  const rsa = newKey("rsa")
  const p256 = spkiOf(newKey("p256"))
  const compressed = parseTree(p256)
  const point = compressed.children![1].content
  compressed.children![1].content = Uint8Array.of(0, 2 | (point[65] & 1), ...point.subarray(2, 34))
  cachedKeys = [
    ...(["ed25519", "p256", "p384", "p521", "rsa", "rsa1024", "secp256k1"] as const).map((kind) =>
      spkiOf(newKey(kind))
    ),
    spkiOf(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey),
    spkiOf(generateKeyPairSync("x25519").privateKey),
    ...["01", "03", "010000", "0200000001"].map((exponent) => withExponent(rsa, exponent)),
    encodeTree(compressed)
  ]
  return cachedKeys
}

/** `tbs` with the algorithm it names, signed with the key its issuer really has. */
const signed = (tbs: DerNode, by: KeyObject, dice: Dice, former: DerNode): Uint8Array => {
  const body = encodeTree(tbs)
  const algorithm = dice.chance(97) ? copyTree(tbs.children?.[2] ?? former) : copyTree(former)
  const isPss = Buffer.from(encodeTree(algorithm)).includes(hex("2a864886f70d01010a"))
  const options = by.asymmetricKeyType === "rsa" && isPss ? { padding: 6, saltLength: 32 } : {}
  const signature = sign(by.asymmetricKeyType === "ed25519" ? null : "sha256", body, { key: by, ...options })
  const unused = dice.chance(2) ? 1 : 0
  return encodeTree(
    parentNode(0x30, asIs(body), algorithm, leafNode(0x03, Uint8Array.of(unused, ...signature)))
  )
}

const asIs = (bytes: Uint8Array): DerNode => ({ ...leafNode(bytes[0], bytes), length: "verbatim" })

/** What is no DER any more is not taken apart again. */
const partsOf = (bytes: Uint8Array): ReadonlyArray<DerNode> => {
  try {
    return parseTree(bytes).children ?? []
  } catch {
    return []
  }
}

let cachedBases: ReadonlyArray<Base> | undefined

export const mutatedChain = (seed: number): MutatedChain => {
  const dice = new Dice(seed)
  cachedBases ??= makeBases()
  const { certificates } = dice.one(cachedBases)
  const everybody = cachedBases.flatMap((base) => base.certificates)
  const done: Array<string> = []
  const ders = certificates.map(({ der }) => der)
  for (let count = dice.chance(80) ? 1 : 2; count > 0; count--) {
    // the leaf more often than those above
    const victim = Math.max(dice.below(certificates.length), dice.below(certificates.length))
    const name = dice.one(Object.keys(deeds))
    const [tbs, algorithm] = partsOf(ders[victim])
    if (tbs?.children === undefined) continue
    deeds[name](tbs, dice, everybody)
    done.push(`${name} of ${victim}`)
    ders[victim] = signed(tbs, certificates[Math.max(victim - 1, 0)].key, dice, algorithm)
  }
  const shown = rearranged(ders.slice(1).toReversed(), dice, everybody, done)
  const role = dice.one(["client", "server"] as const)
  return {
    root: ders[0],
    shown,
    role,
    serverName: role === "server" ? dice.one(["example.org", "www.example.org", "192.0.2.1"]) : undefined,
    at: dice.chance(90) ? now : dice.one([now - day, now + 90 * day - 1000, now + 90 * day]),
    deeds: done
  }
}

/** Now and then the chain itself is odd: certificates twice, in another order, missing, or with one of somebody else's. */
const rearranged = (
  shown: Array<Uint8Array>,
  dice: Dice,
  everybody: ReadonlyArray<Issued>,
  done: Array<string>
): ReadonlyArray<Uint8Array> => {
  if (dice.chance(80)) return shown
  const way = dice.one(["double", "reverse", "lose", "stranger", "bytes behind"])
  done.push(`chain: ${way}`)
  const at = dice.below(shown.length)
  if (way === "double") shown.splice(at, 0, shown[at])
  else if (way === "reverse") shown.splice(1, shown.length - 1, ...shown.slice(1).toReversed())
  else if (way === "lose") shown.splice(Math.max(at, 1), 1)
  else if (way === "stranger") shown.push(dice.one(everybody).der)
  else
    shown[at] = Buffer.concat([shown[at], dice.chance(50) ? Uint8Array.of(0) : pem(dice.one(everybody).der)])
  return shown
}
