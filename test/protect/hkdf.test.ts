import { describe, expect, it } from "vitest"
import { suite as noble } from "../../layers/noble/NobleCryptoSuite.ts"
import { hkdfExpand, hkdfExpandLabel, hkdfExtract } from "../../src/protect/hkdf.ts"
import { hex, toHex } from "./bytes.ts"
import { suite as node } from "../io.ts"

const range = (from: number, to: number): Uint8Array =>
  Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** RFC 5869 §A.1–A.3 */
const rfc5869 = [
  {
    inputKeyingMaterial: new Uint8Array(22).fill(0x0b),
    salt: range(0x00, 0x0c),
    info: range(0xf0, 0xf9),
    pseudorandomKey: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
    output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
  },
  {
    inputKeyingMaterial: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    pseudorandomKey: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
    output:
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c" +
      "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
  },
  {
    inputKeyingMaterial: new Uint8Array(22).fill(0x0b),
    salt: new Uint8Array(0),
    info: new Uint8Array(0),
    pseudorandomKey: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
    output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
  }
]

describe.each([node, noble])("HKDF on $name", (suite) => {
  it.each(rfc5869)("extracts $pseudorandomKey and expands it, as in RFC 5869 Appendix A", (vector) => {
    const pseudorandomKey = hkdfExtract(suite, "sha256", vector.salt, vector.inputKeyingMaterial)
    expect(toHex(pseudorandomKey)).toBe(vector.pseudorandomKey)
    const output = hkdfExpand(suite, "sha256", pseudorandomKey, vector.info, vector.output.length / 2)
    expect(toHex(output)).toBe(vector.output)
  })

  it("derives the handshake secret of the handshake in RFC 8448 §3", () => {
    const none = new Uint8Array(32)
    const early = hkdfExtract(suite, "sha256", none, none)
    expect(toHex(early)).toBe("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a")
    const emptyHash = suite.hash("sha256", new Uint8Array(0))
    const derived = hkdfExpandLabel(suite, "sha256", early, "derived", emptyHash, 32)
    expect(toHex(derived)).toBe("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba")
    const shared = hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
    expect(toHex(hkdfExtract(suite, "sha256", derived, shared))).toBe(
      "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"
    )
  })

  it("rejects lengths that its one-byte counters cannot represent", () => {
    const secret = new Uint8Array(32)
    const none = new Uint8Array(0)
    expect(hkdfExpand(suite, "sha256", secret, none, 255 * 32).length).toBe(8160)
    expect(() => hkdfExpand(suite, "sha256", secret, none, 255 * 32 + 1)).toThrow(RangeError)
    expect(hkdfExpandLabel(suite, "sha256", secret, "x".repeat(249), new Uint8Array(255), 8).length).toBe(8)
    expect(() => hkdfExpandLabel(suite, "sha256", secret, "x".repeat(250), none, 8)).toThrow(RangeError)
    expect(() => hkdfExpandLabel(suite, "sha256", secret, "x", new Uint8Array(256), 8)).toThrow(RangeError)
  })
})
