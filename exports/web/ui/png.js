/** Grey PNG files. Not with a canvas: it writes four channels, and some browsers add noise against fingerprinting. */

import { zlibSync } from '../fflate.js';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const GREY = [8, 0, 0, 0, 0]; // bits per pixel, colour type, compression, filters, no interlacing
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/**
 * @param {Uint8Array} pixels 0 black .. 255 white, rows from the top
 * @param {number} width
 * @returns {Uint8Array} the file
 */
export function encodeGrey(pixels, width) {
  const height = pixels.length / width;
  const rows = new Uint8Array((width + 1) * height); // each begins with its filter: 0, none
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = [...bigEndian(width), ...bigEndian(height), ...GREY];
  return Uint8Array.from([
    ...SIGNATURE, ...chunk('IHDR', header), ...chunk('IDAT', zlibSync(rows)), ...chunk('IEND', []),
  ]);
}

function chunk(name, data) {
  const named = [...new TextEncoder().encode(name), ...data];
  return [...bigEndian(data.length), ...named, ...bigEndian(checksum(named))];
}

function checksum(bytes) {
  return ~bytes.reduce((crc, byte) => CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8), -1);
}

function bigEndian(number) {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff);
}
