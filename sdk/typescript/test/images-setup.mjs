/** The program that examples/images.ts is part of: it has processImage, and ends when three images are processed. */

const processed = [];

globalThis.processImage = async (payload) => {
  processed.push(payload);
  if (processed.length < 3) return;
  console.log(`processed 3: ${JSON.stringify(processed.find((one) => one.operations))}`);
  process.exit(0);
};
