/** Cryptography in JavaScript alone, for where there is no `node:crypto`. */
export * as NobleCryptoSuite from "./NobleCryptoSuite.ts"
