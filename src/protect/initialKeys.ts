import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import { Version } from "../wire/PacketType.ts"
import { cipherSuites, TLS_AES_128_GCM_SHA256 } from "./CipherSuite.ts"
import { hkdfExpandLabel, hkdfExtract } from "./hkdf.ts"
import { PacketKeys } from "./PacketKeys.ts"

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g)!, (byte) => Number.parseInt(byte, 16))

/** RFC 9001 §5.2, RFC 9369 §3.3.1 */
const salts = new Map<Version, Uint8Array>([
  [Version.v1, hex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")],
  [Version.v2, hex("0dede3def700a6db819381be6e269dcbf9bd2ed9")]
])

export interface InitialKeyPair {
  readonly client: PacketKeys
  readonly server: PacketKeys
  /** Neither of them is used any more. */
  release(): void
}

/**
 * The keys of Initial packets. They authenticate nobody, as anyone who sees the client's first Initial can derive them.
 * RFC 9001 §5.2 #1. Derived lazily, as a server needs only the client's key to check an unknown client's packet.
 */
export const initialKeys = (
  suite: CryptoSuiteShape,
  version: Version,
  clientDestinationConnectionId: Uint8Array
): InitialKeyPair => {
  const cipher = cipherSuites.get(TLS_AES_128_GCM_SHA256)!
  const initial = hkdfExtract(suite, "sha256", salts.get(version)!, clientDestinationConnectionId)
  const keys = (label: string): PacketKeys =>
    PacketKeys.fromSecret(
      suite,
      cipher,
      hkdfExpandLabel(suite, "sha256", initial, label, new Uint8Array(0), 32),
      version
    )
  let client: PacketKeys | undefined
  let server: PacketKeys | undefined
  return {
    get client() {
      return (client ??= keys("client in"))
    },
    get server() {
      return (server ??= keys("server in"))
    },
    release: () => {
      client?.release()
      server?.release()
    }
  }
}

/** The Initial keys of one connection for each version received; each is derived once. RFC 9369 §4.1 */
export class InitialKeys {
  private readonly suite: CryptoSuiteShape
  private readonly byVersion = new Map<Version, InitialKeyPair>()
  private readonly clientDestinationConnectionId: Uint8Array

  constructor(suite: CryptoSuiteShape, clientDestinationConnectionId: Uint8Array) {
    this.suite = suite
    this.clientDestinationConnectionId = clientDestinationConnectionId
  }

  of(version: Version): InitialKeyPair {
    const known = this.byVersion.get(version)
    if (known !== undefined) return known
    const keys = initialKeys(this.suite, version, this.clientDestinationConnectionId)
    this.byVersion.set(version, keys)
    return keys
  }

  release(): void {
    for (const keys of this.byVersion.values()) keys.release()
  }
}
