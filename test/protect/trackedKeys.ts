/** Watches which keys of packets are in use: made, and not yet released. */
import { vi } from "vitest"
import type { AeadAlgorithm, AeadKey, HeaderKey } from "../../src/capability/CryptoSuite.ts"
import { suite } from "../io.ts"

type Kind = "AEAD keys" | "header keys"

export class TrackedKeys {
  readonly made = { "AEAD keys": 0, "header keys": 0 }
  readonly live = { "AEAD keys": 0, "header keys": 0 }

  /** Until `vi.restoreAllMocks()`. AES-256 seals tokens and tickets, which an endpoint or several of them share. */
  constructor(counts: (algorithm: AeadAlgorithm) => boolean = (algorithm) => algorithm !== "aes-256-gcm") {
    const { aead, headerProtection } = suite
    vi.spyOn(suite, "aead").mockImplementation((algorithm, key) => {
      const real = aead(algorithm, key)
      return counts(algorithm) ? this.aead(real) : real
    })
    vi.spyOn(suite, "headerProtection").mockImplementation((algorithm, key) =>
      this.header(headerProtection(algorithm, key))
    )
  }

  private aead(real: AeadKey): AeadKey {
    const life = this.begin("AEAD keys", real)
    return {
      seal: (...args) => {
        life.use()
        real.seal(...args)
      },
      open: (...args) => {
        life.use()
        return real.open(...args)
      },
      release: life.end
    }
  }

  private header(real: HeaderKey): HeaderKey {
    const life = this.begin("header keys", real)
    return {
      mask: (...args) => {
        life.use()
        real.mask(...args)
      },
      release: life.end
    }
  }

  private begin(
    kind: Kind,
    real: AeadKey | HeaderKey
  ): { readonly use: () => void; readonly end: () => void } {
    let isLive = true
    this.made[kind]++
    this.live[kind]++
    return {
      use: () => {
        if (!isLive) throw new Error(`one of the ${kind} is used after its release`)
      },
      end: () => {
        if (isLive) this.live[kind]--
        isLive = false
        real.release?.()
      }
    }
  }
}
