/**
 * Validly signed certificate chains with something wrong or odd in one or two of them, unlike anything issued in
 * practice. Drawn from a seed.
 */
import type { Role } from "../../src/wire/Role.ts"
import { createPrivateKey, sign, type KeyObject } from "node:crypto"
import type { Extension } from "pkijs"
import { encodePkcs8 } from "../../layers/keys/keyEncodings.ts"
import { extension } from "../../layers/node/certificates/issueCertificate.ts"
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
  now
} from "./certificateFactory.ts"
import { copyTree, type DerNode, encodeTree, leafNode, parentNode, parseTree } from "./derTree.ts"
import { attribute, Dice, hex, mutations, pem, text } from "./mutations.ts"

export interface MutatedChain {
  readonly root: Uint8Array
  /** Leaf first. */
  readonly shown: ReadonlyArray<Uint8Array>
  readonly role: Role
  readonly serverName: string | undefined
  readonly at: number
  /** The mutations applied, for debugging. */
  readonly applied: ReadonlyArray<string>
}

const privateKey = (kind: "ed25519" | "p256", seed: number): KeyObject =>
  createPrivateKey({
    key: Buffer.from(encodePkcs8(kind, seeded(seed)(32))),
    format: "der",
    type: "pkcs8"
  })

const raw = (id: string, value: string, critical = false): Extension =>
  extension(id, critical, hex(value).buffer as ArrayBuffer)

/** Root first, leaf last; each has signed the next. */
interface Base {
  readonly certificates: ReadonlyArray<Issued>
}

const dnsConstraint = "2.5.29.30"
/**
 * Permits example.org and subjects under `O=Good`; excludes secret.example.org, 10/8, mail of evil.org and `CN=Evil`.
 */
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

/** `tbs` with the algorithm it names, signed with its issuer's real key. */
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

/** Content that is no longer DER is not parsed further. */
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
    // mutates the leaf more often than the certificates above it
    const victim = Math.max(dice.below(certificates.length), dice.below(certificates.length))
    const name = dice.one(Object.keys(mutations))
    const [tbs, algorithm] = partsOf(ders[victim])
    if (tbs?.children === undefined) continue
    mutations[name](tbs, dice, everybody)
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
    applied: done
  }
}

/** Occasionally makes the chain itself odd: duplicate, reordered, missing or unrelated certificates. */
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
