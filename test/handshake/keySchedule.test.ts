import { createHash, hkdfSync } from "node:crypto"
import { describe, expect, it } from "vitest"
import { suite as noble } from "../../layers/noble/NobleCryptoSuite.ts"
import { Exporter } from "../../src/handshake/Exporter.ts"
import { KeySchedule } from "../../src/handshake/KeySchedule.ts"
import { Transcript } from "../../src/handshake/Transcript.ts"
import { cipherSuites } from "../../src/protect/CipherSuite.ts"
import { suite as node } from "../io.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const unhex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const aes128 = cipherSuites.get(0x1301)!

// RFC 8448 §3, "Simple 1-RTT Handshake"
const shared = unhex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
const toServerHello = unhex("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
const toServerFinished = unhex("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13")
const toClientFinished = unhex("209145a96ee8e2a122ff810047cc952684658d6049e86429426db87c54ad143d")

for (const suite of [node, noble])
  describe(`the key schedule on ${suite.name}`, () => {
    it("derives the secrets of the simple handshake of RFC 8448", () => {
      const schedule = new KeySchedule(suite, aes128)
      schedule.agree(shared)
      const handshake = schedule.handshakeSecrets(toServerHello)
      expect(hex(handshake.client)).toBe("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
      expect(hex(handshake.server)).toBe("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
      const application = schedule.applicationSecrets(toServerFinished)
      expect(hex(application.client)).toBe("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
      expect(hex(application.server)).toBe("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
      expect(hex(schedule.exporterSecret)).toBe(
        "fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50"
      )
      schedule.resume(toClientFinished)
      expect(hex(schedule.ticketSecret(Uint8Array.of(0, 0)))).toBe(
        "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3"
      )
    })

    it("makes one HMAC for the handshake secret where there is no PSK", () => {
      let hmacs = 0
      const counting: typeof suite = {
        ...suite,
        hmac: (...args) => {
          hmacs++
          return suite.hmac(...args)
        }
      }
      new KeySchedule(counting, aes128).agree(shared)
      hmacs = 0
      const schedule = new KeySchedule(counting, aes128)
      schedule.agree(shared)
      expect(hmacs).toBe(1)
      // constants are those of the hash
      const other = new KeySchedule(counting, cipherSuites.get(0x1302)!)
      other.agree(shared)
      expect(other.handshakeSecrets(toServerHello).client).toHaveLength(48)
    })

    it("derives the same as another HKDF", () => {
      const psk = unhex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3")
      const transcript = new Uint8Array(32).fill(7)
      const label = (secret: Uint8Array, name: string, context: Uint8Array) => {
        const full = Buffer.from(`tls13 ${name}`)
        const info = Buffer.concat([
          Uint8Array.of(0, 32, full.length),
          full,
          Uint8Array.of(context.length),
          context
        ])
        // HKDF-Expand alone: HMAC(secret, info ‖ 0x01) is its first block
        return new Uint8Array(suite.hmac("sha256", secret, Buffer.concat([info, Uint8Array.of(1)])))
      }
      const empty = new Uint8Array(createHash("sha256").digest())
      const early = suite.hmac("sha256", new Uint8Array(32), psk)
      expect(hex(new Uint8Array(hkdfSync("sha256", psk, new Uint8Array(32), "x", 32)))).toBe(
        hex(suite.hmac("sha256", early, Buffer.from("x\x01", "latin1")))
      )
      const schedule = new KeySchedule(suite, aes128, psk)
      expect(hex(schedule.earlySecret(transcript))).toBe(hex(label(early, "c e traffic", transcript)))
      const binderKey = label(early, "res binder", empty)
      const finishedKey = label(binderKey, "finished", new Uint8Array(0))
      expect(hex(schedule.binder(transcript))).toBe(hex(suite.hmac("sha256", finishedKey, transcript)))
      schedule.agree(shared)
      const handshake = suite.hmac("sha256", label(early, "derived", empty), shared)
      expect(hex(schedule.handshakeSecrets(transcript).client)).toBe(
        hex(label(handshake, "c hs traffic", transcript))
      )
      schedule.applicationSecrets(transcript)
      const main = suite.hmac("sha256", label(handshake, "derived", empty), new Uint8Array(32))
      const exporter = new Exporter(suite, aes128, schedule.exporterSecret)
      const exported = label(label(main, "exp master", transcript), "EXPORTER-test", empty)
      const context = new Uint8Array(createHash("sha256").update("about this").digest())
      expect(hex(exporter.derive("EXPORTER-test", new TextEncoder().encode("about this"), 32))).toBe(
        hex(label(exported, "exporter", context))
      )
      const resumption = label(main, "res master", transcript)
      schedule.resume(transcript)
      expect(hex(schedule.ticketSecret(Uint8Array.of(9)))).toBe(
        hex(label(resumption, "resumption", Uint8Array.of(9)))
      )
    })

    it("hashes the messages in order, with the first ClientHello replaced by its hash after a retry", () => {
      const sha = (...parts: ReadonlyArray<Uint8Array>) =>
        hex(suite.hash("sha256", new Uint8Array(Buffer.concat(parts))))
      const [first, retry, second, hello] = [1, 2, 3, 4].map((n) => Uint8Array.of(n, n))
      const plain = new Transcript(suite)
      plain.add(first)
      expect(hex(plain.digestWith("sha256", second))).toBe(sha(first, second))
      plain.begin("sha256")
      plain.add(hello)
      expect(hex(plain.digest())).toBe(sha(first, hello))

      const retried = new Transcript(suite)
      retried.add(first)
      retried.foldFirstHello("sha256")
      retried.add(retry)
      const folded = [Uint8Array.of(254, 0, 0, 32), suite.hash("sha256", first), retry]
      expect(hex(retried.digestWith("sha256", second))).toBe(sha(...folded, second))
      retried.add(second)
      retried.begin("sha256")
      expect(hex(retried.digest())).toBe(sha(...folded, second))
    })
  })
