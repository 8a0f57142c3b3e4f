/** What the example images.ts calls: the program it would be part of has it. */
declare function processImage(payload: { imageUrl: string; operations?: string[] }): Promise<void>;
