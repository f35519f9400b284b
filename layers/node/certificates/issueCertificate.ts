/**
 * Issues certificates for development and tests. Built with pkijs, signed with `node:crypto`: synchronous, and
 * reproducible if the signature scheme is deterministic (Ed25519).
 */
import { createPublicKey, sign, type KeyObject } from "node:crypto"
import { BitString, Integer, Null, OctetString, Utf8String } from "asn1js"
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  ExtKeyUsage,
  Extension,
  GeneralName,
  GeneralNames,
  PublicKeyInfo,
  RelativeDistinguishedNames,
  RSASSAPSSParams,
  Time
} from "pkijs"

import { parseIp } from "../../../src/wire/ipAddress.ts"

export const ExtensionOid = {
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  extendedKeyUsage: "2.5.29.37"
} as const

export const ExtendedKeyUsage = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const

export interface CertificateRequest {
  /** Common names. */
  readonly subject: string
  readonly issuer: string
  /** Up to 20 bytes, the first of them 0x01–0x7f. RFC 5280 §4.1.2.2 */
  readonly serialNumber: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  /** Private or public; only the public key is included. */
  readonly key: KeyObject
  /** DER SubjectPublicKeyInfo to include instead of that of `key`. */
  readonly spki?: Uint8Array
  readonly issuerKey: KeyObject
  readonly extensions: ReadonlyArray<Extension>
  /** RSASSA-PSS instead of PKCS #1 v1.5, for an RSA issuer. */
  readonly pss?: boolean
  /** Default SHA-256; ignored for Ed25519. */
  readonly hash?: "sha1" | "sha256" | "sha384"
}

/** DER of a version 3 certificate. */
export const issueCertificate = (request: CertificateRequest): Uint8Array => {
  const certificate = new Certificate({
    version: 2,
    serialNumber: new Integer({ valueHex: toArrayBuffer(request.serialNumber) }),
    notBefore: timeOf(request.notBefore),
    notAfter: timeOf(request.notAfter),
    subject: commonName(request.subject),
    issuer: commonName(request.issuer),
    subjectPublicKeyInfo: PublicKeyInfo.fromBER(request.spki ?? spkiOf(request.key)),
    extensions: [...request.extensions]
  })
  const scheme = schemeOf(request)
  certificate.signature = scheme.algorithm
  certificate.signatureAlgorithm = scheme.algorithm
  const tbs = new Uint8Array(certificate.encodeTBS().toBER())
  const signature = sign(scheme.hash, tbs, {
    key: request.issuerKey,
    ...(scheme.pss ? { padding: 6 /* RSA_PKCS1_PSS_PADDING */, saltLength: 32 } : {})
  })
  certificate.signatureValue = new BitString({ valueHex: toArrayBuffer(signature) })
  return new Uint8Array(certificate.toSchema(true).toBER())
}

/** DER SubjectPublicKeyInfo of a private or public key. */
export const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(
    (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "der" })
  )

export const extension = (oid: string, critical: boolean, value: ArrayBuffer): Extension =>
  new Extension({ extnID: oid, critical, extnValue: value })

export const basicConstraints = (cA: boolean, pathLength?: number): Extension =>
  extension(
    ExtensionOid.basicConstraints,
    true,
    new BasicConstraints(pathLength === undefined ? { cA } : { cA, pathLenConstraint: pathLength })
      .toSchema()
      .toBER()
  )

/** `bits` is the first byte of the BIT STRING. RFC 5280 §4.2.1.3 */
export const keyUsage = (bits: number): Extension => {
  let unused = 0
  while (unused < 7 && (bits & (1 << unused)) === 0) unused++
  return extension(
    ExtensionOid.keyUsage,
    true,
    new BitString({ valueHex: Uint8Array.of(bits).buffer, unusedBits: unused }).toBER()
  )
}

export const extendedKeyUsage = (...oids: ReadonlyArray<string>): Extension =>
  extension(
    ExtensionOid.extendedKeyUsage,
    false,
    new ExtKeyUsage({ keyPurposes: [...oids] }).toSchema().toBER()
  )

/** Host names as dNSName, IP literals as iPAddress. RFC 5280 §4.2.1.6 */
export const subjectAltName = (hosts: ReadonlyArray<string>): Extension =>
  extension(
    ExtensionOid.subjectAltName,
    false,
    new GeneralNames({
      names: hosts.map((host) => {
        const address = parseIp(host)
        return address === undefined
          ? new GeneralName({ type: 2, value: host })
          : new GeneralName({
              type: 7,
              value: new OctetString({ valueHex: toArrayBuffer(address.bytes) })
            })
      })
    })
      .toSchema()
      .toBER()
  )

const commonName = (name: string): RelativeDistinguishedNames =>
  new RelativeDistinguishedNames({
    typesAndValues: [new AttributeTypeAndValue({ type: "2.5.4.3", value: new Utf8String({ value: name }) })]
  })

/** UTCTime through 2049, GeneralizedTime after. RFC 5280 §4.1.2.5 */
const timeOf = (date: Date): Time =>
  new Time({
    type: date.getUTCFullYear() < 2050 ? 0 : 1,
    value: new Date(Math.floor(date.getTime() / 1000) * 1000)
  })

interface Scheme {
  readonly algorithm: AlgorithmIdentifier
  readonly hash: string | null
  readonly pss: boolean
}

const hashOids = { sha1: "1.3.14.3.2.26", sha256: "2.16.840.1.101.3.4.2.1", sha384: "2.16.840.1.101.3.4.2.2" }
const rsaOids = {
  sha1: "1.2.840.113549.1.1.5",
  sha256: "1.2.840.113549.1.1.11",
  sha384: "1.2.840.113549.1.1.12"
}
const ecdsaOids = { sha1: "1.2.840.10045.4.1", sha256: "1.2.840.10045.4.3.2", sha384: "1.2.840.10045.4.3.3" }

const schemeOf = ({ issuerKey, pss = false, hash = "sha256" }: CertificateRequest): Scheme => {
  switch (issuerKey.asymmetricKeyType) {
    case "ed25519":
      return { algorithm: new AlgorithmIdentifier({ algorithmId: "1.3.101.112" }), hash: null, pss: false }
    case "ec":
      return { algorithm: new AlgorithmIdentifier({ algorithmId: ecdsaOids[hash] }), hash, pss: false }
    default: {
      const algorithm = pss
        ? new AlgorithmIdentifier({ algorithmId: "1.2.840.113549.1.1.10", algorithmParams: pssParams(hash) })
        : new AlgorithmIdentifier({ algorithmId: rsaOids[hash], algorithmParams: new Null() })
      return { algorithm, hash, pss }
    }
  }
}

const pssParams = (hash: keyof typeof hashOids) => {
  const hashAlgorithm = new AlgorithmIdentifier({ algorithmId: hashOids[hash], algorithmParams: new Null() })
  return new RSASSAPSSParams({
    hashAlgorithm,
    maskGenAlgorithm: new AlgorithmIdentifier({
      algorithmId: "1.2.840.113549.1.1.8",
      algorithmParams: hashAlgorithm.toSchema()
    }),
    saltLength: 32
  }).toSchema()
}

const toArrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer
