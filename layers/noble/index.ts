/** Cryptography in pure JavaScript, for platforms without `node:crypto`. */
export * as NobleCryptoSuite from "./NobleCryptoSuite.ts"
