/**
 * A certificate has only one interpretation: everything verified, from the dates to the key, is parsed from the same bytes by
 * the same strict DER reader. TLS takes the key for CertificateVerify from the same outermost parser
 * (src/internal/certificate.ts). `node:crypto` only gets the exact bytes of the key, the signed data and the signature.
 *
 * With two parsers, a certificate that contained another as PEM text was once taken for both. Why not a library: OpenSSL, as
 * exposed by Node, tries PEM first and lacks half of the fields; pkijs parses BER, so its result had to be re-encoded and
 * compared, at 3 ms per certificate, and 0.3 s for 64 kB of NULLs from an attacker. Everything OpenSSL refuses is refused
 * here: test/identity/differential.test.ts compares both on two thousand chains.
 */
import { constants, createHash, createPublicKey, type KeyObject, verify } from "node:crypto"
import { type CertificateFields, readCertificate } from "../../../src/internal/certificate.ts"
import type { DerElement } from "../../../src/internal/der.ts"
import { hexadecimal } from "../../../src/internal/hexadecimal.ts"
import { printable } from "../../../src/internal/printable.ts"
import { formatIp } from "../../../src/wire/ipAddress.ts"
import { publicKeyKind, type PublicKeyKind } from "../../keys/publicKey.ts"
import { CertificateExtensions, readExtensions } from "../../../src/internal/certificateExtensions.ts"
import { DerReader, Malformed } from "../../../src/internal/DerReader.ts"
import { type DistinguishedName, readName } from "../../../src/internal/DistinguishedName.ts"
import type { GeneralName } from "../../../src/internal/generalNames.ts"
import { readSignatureAlgorithm, type SignatureAlgorithm } from "./signatureAlgorithm.ts"
import { readValidity, type Validity } from "./validity.ts"

export class ParsedCertificate {
  readonly der: Uint8Array
  /** Hex of the INTEGER's content. */
  readonly serialNumber: string
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  readonly validity: Validity
  readonly extensions: CertificateExtensions
  /** Exact bytes of the SubjectPublicKeyInfo, and the kind of key; undefined if not accepted. */
  readonly spki: Uint8Array
  readonly keyKind: PublicKeyKind | undefined
  /** Undefined if not accepted. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined
  private readonly fields: CertificateFields
  private cachedKey: KeyObject | undefined
  /** Whose keys have verified the signature. */
  private readonly signers = new WeakSet<ParsedCertificate>()
  private cachedFingerprint: string | undefined
  private cachedLabel: string | undefined

  /** Throws {@link Malformed}. */
  private constructor(der: Uint8Array, fields: CertificateFields) {
    this.der = der
    this.fields = fields
    const serial = new DerReader(der, "its serial number", fields.serialNumber.start, fields.serialNumber.end)
    const { contentStart, end } = serial.takeInteger()
    this.serialNumber = hexadecimal(der, contentStart, end)
    this.issuer = nameAt(der, "its issuer", fields.issuer)
    this.subject = nameAt(der, "its subject", fields.subject)
    this.validity = readValidity(der, fields.validity)
    this.extensions = fields.extensions ? readExtensions(der, fields.extensions) : new CertificateExtensions()
    this.spki = der.subarray(fields.subjectPublicKeyInfo.start, fields.subjectPublicKeyInfo.end)
    this.keyKind = publicKeyKind(this.spki)
    this.signatureAlgorithm = readSignatureAlgorithm(der, fields.signatureAlgorithm)
  }

  /** Returns the malformed part if the bytes are not exactly one well-formed certificate. Never throws. */
  static parse(der: Uint8Array): ParsedCertificate | Malformed {
    const fields = readCertificate(der)
    if (fields === undefined) return new Malformed("its outline")
    try {
      return new ParsedCertificate(der, fields)
    } catch (cause) {
      if (cause instanceof Malformed) return cause
      throw cause
    }
  }

  /** SHA-256 of the certificate, as hex. */
  get fingerprint(): string {
    return (this.cachedFingerprint ??= createHash("sha256").update(this.der).digest("hex"))
  }

  /** Whether issuer and subject names are equal. */
  get isSelfIssued(): boolean {
    return this.issuer.canonical === this.subject.canonical
  }

  /** Whether it claims to be signed with its own key; the signature is not verified. */
  get seemsSelfSigned(): boolean {
    return this.names(this) && (this.signatureAlgorithm?.keys.some((kind) => kind === this.keyKind) ?? true)
  }

  /** Whether it names `issuer` as its issuer: by name and, if present, by key identifier and serial number. */
  names(issuer: ParsedCertificate): boolean {
    if (this.issuer.isEmpty || this.issuer.canonical !== issuer.subject.canonical) return false
    const authority = this.extensions.authorityKeyId
    if (authority === undefined) return true
    const { keyId, serialNumber } = authority
    const ownKeyId = issuer.extensions.subjectKeyId
    if (keyId !== undefined && ownKeyId !== undefined && keyId !== ownKeyId) return false
    if (serialNumber !== undefined && serialNumber !== issuer.serialNumber) return false
    const above = authority.issuer?.find(isDirectory)
    return above === undefined || above.name.canonical === issuer.issuer.canonical
  }

  /** Whether the signature verifies with the key of `issuer`. */
  isSignedBy(issuer: ParsedCertificate): boolean {
    if (this.signers.has(issuer)) return true
    const isSigned = this.verifySignature(issuer)
    if (isSigned) this.signers.add(issuer)
    return isSigned
  }

  private verifySignature(issuer: ParsedCertificate): boolean {
    const algorithm = this.signatureAlgorithm
    if (algorithm === undefined || !algorithm.keys.some((kind) => kind === issuer.keyKind)) return false
    const { tbs, signature } = this.fields
    const { hash, saltLength } = algorithm
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    try {
      return verify(
        hash,
        this.der.subarray(tbs.start, tbs.end),
        { key: issuer.key, ...(saltLength === undefined ? {} : padding) },
        this.der.subarray(signature.start, signature.end)
      )
    } catch {
      return false // the point is not on its curve
    }
  }

  private get key(): KeyObject {
    return (this.cachedKey ??= createPublicKey({ key: Buffer.from(this.spki), format: "der", type: "spki" }))
  }

  /** Description for messages; text chosen by the peer is truncated and sanitised. */
  get label(): string {
    return (this.cachedLabel ??= this.makeLabel())
  }

  private makeLabel(): string {
    const names = this.extensions.alternativeNames.slice(0, 3).map(textOf)
    const text = names.length > 0 ? names.join(", ") : this.subject.text
    return text === "" ? "certificate without a name" : `certificate for ${printable(text, 100)}`
  }
}

const nameAt = (der: Uint8Array, what: string, { start, end }: DerElement): DistinguishedName =>
  readName(new DerReader(der, what, start, end))

const isDirectory = (name: GeneralName) => name.kind === "directory"

const textOf = (name: GeneralName): string => {
  switch (name.kind) {
    case "dns":
      return name.text
    case "email":
    case "uri":
      return `${name.kind} ${name.text}`
    case "ip":
      return formatIp(name.bytes)
    case "directory":
      return name.name.text
    default:
      return "a name of another kind"
  }
}
