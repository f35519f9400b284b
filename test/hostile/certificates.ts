/** Attacks by a server's certificates on a client which trusts one certificate authority. */
import { DerTag, derElement } from "../../src/internal/der.ts"
import type { TlsIdentity } from "../../src/handshake/TlsSession.ts"
import { Alert } from "../../src/handshake/alerts.ts"
import {
  type Issued,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  leafExtensions,
  newKey,
  type Wish
} from "../identity/certificateFactory.ts"
import type { Attack } from "./Attack.ts"
import { forged } from "./forged.ts"
import { suite } from "../io.ts"

const always = { notBefore: 0, notAfter: Date.UTC(2049, 0, 1) } satisfies Wish

const root = issueRoot(always)

/** RFC 9001 §4.8 */
const alert = (code: number): number => 0x100 + code

const identityOf = ({ key }: Issued, chain: ReadonlyArray<Issued>): TlsIdentity => ({
  kind: "x509",
  chain: chain.map(({ der }) => der),
  key: suite.signingKey(new Uint8Array(key.export({ type: "pkcs8", format: "der" })))!
})

/** An RSA key of any size, which need not have a private half: a signature by it only has to be checked. */
const rsaKey = (modulus: Uint8Array, exponent: Uint8Array): Uint8Array => {
  const integer = (bytes: Uint8Array) => derElement(DerTag.integer, Uint8Array.of(0), bytes)
  return derElement(
    DerTag.sequence,
    Buffer.from("300d06092a864886f70d0101010500", "hex"),
    derElement(
      DerTag.bitString,
      Uint8Array.of(0),
      derElement(DerTag.sequence, integer(modulus), integer(exponent))
    )
  )
}

const ones = (bits: number): Uint8Array => new Uint8Array(bits / 8).fill(0xff)

/** A leaf with a signature by an RSA key that is certified by the trusted authority. */
const signedBy = (spki: Uint8Array): TlsIdentity => {
  const signer = newKey("rsa")
  const authority = issueIntermediate({ ...always, by: root, name: "Heavy CA", spki })
  const leaf = issueLeaf({
    ...always,
    by: { ...authority, key: signer },
    extensions: leafExtensions("localhost")
  })
  return identityOf(leaf, [leaf, authority])
}

/** Authorities that have all certified each other, as they share a name and a key. */
const labyrinth = (): TlsIdentity => {
  const key = newKey()
  const wish = { ...always, name: "Labyrinth", key }
  const doors = Array.from({ length: 9 }, () =>
    issueIntermediate({ ...wish, by: { der: root.der, name: "Labyrinth", key } })
  )
  const leaf = issueLeaf({ ...always, by: doors[0], extensions: leafExtensions("localhost") })
  return identityOf(leaf, [leaf, ...doors])
}

const forgedNames = (): TlsIdentity => {
  const name = forged
  const authority = issueIntermediate({ ...always, name })
  const leaf = issueLeaf({ ...always, by: authority, name, extensions: leafExtensions("localhost") })
  return identityOf(leaf, [leaf, authority])
}

const attack = (name: string, reference: string, code: number, identity: () => TlsIdentity): Attack => {
  let made: TlsIdentity | undefined
  return {
    name,
    reference,
    victim: "client",
    trusts: [root.der],
    visits: 20,
    // a certificate is checked in some of a handshake's time, of which a client has more to spare than a server
    costFactor: 100,
    puppet: () => ({ identity: (made ??= identity()) }),
    closes: alert(code)
  }
}

export const certificates: ReadonlyArray<Attack> = [
  attack("certificates that make path building explode", "CVE-2018-16875", Alert.unknown_ca, labyrinth),
  attack("RSA key of 16384 bits", "CVE-2023-29409", Alert.unsupported_certificate, () =>
    signedBy(rsaKey(ones(16_384), Uint8Array.of(1, 0, 1)))
  ),
  attack("RSA exponent as long as the modulus", "CWE-400", Alert.unsupported_certificate, () =>
    signedBy(rsaKey(ones(4096), ones(4096)))
  ),
  {
    ...attack("log injection from certificate names", "CWE-117", Alert.unknown_ca, forgedNames),
    isWatched: true
  }
]
