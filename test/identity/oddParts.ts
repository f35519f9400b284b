/** Invalid, odd or rarely used parts of certificates, to replace valid ones. */
import { generateKeyPairSync } from "node:crypto"
import { spkiOf } from "../../layers/node/certificates/issueCertificate.ts"
import { newKey, withExponent } from "./certificateFactory.ts"
import { encodeTree, parseTree } from "./derTree.ts"

/** DER tags used in certificates. */
export const tags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1c, 0x1e, 0x30, 0x31,
  0x80, 0x81, 0x82, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4
]

/** Extensions that some implementation reads. */
export const oddities: ReadonlyArray<readonly [id: string, value: string]> = [
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
  ["551d1e", "3006a10430028800"],
  ["551d1e", "3015a1133011a40f300d310b300906035504030c024576"],
  ["551d1f", "3000"],
  ["551d1f", "30163014a012a010860e687474703a2f2f6578616d706c652f"],
  ["551d1f", "300430020500"],
  ["551d1f", "30053003810100"],
  ["551d1f", "3003020101"],
  ["551d20", "3006300406022a03"],
  ["551d20", "0500"],
  ["551d21", "3000"],
  ["551d23", "3000"],
  ["551d23", "30048002aa01"],
  ["551d23", "30048002bb01"],
  ["551d23", "3003820101"],
  ["551d23", "300482020001"],
  ["551d23", "3002a100"],
  ["551d24", "3003800100"],
  ["551d25", "3000"],
  ["551d25", "300a06082b06010505070301"],
  ["551d25", "300a06082b06010505070302"],
  ["551d25", "30060604551d2500"],
  ["551d25", "300d06096086480186f8420401"],
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

export const times = [
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

/** AlgorithmIdentifiers. */
export const signatureAlgorithms = [
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

/** Keys of acceptable kinds, of unacceptable kinds, and in unacceptable encodings. */
export const oddKeys = (): ReadonlyArray<Uint8Array> => {
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
