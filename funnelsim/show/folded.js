// Returns a text as lines of at most so many letters, broken between words, or after a Chinese stop; a Chinese sign
// counts as two letters. Every page of charts has it.
function folded(text, columns) {
  const size = (part) => [...part.trimEnd()].reduce((sum, sign) => sum + (/[\u2e80-\u9fff\uff00-\uffef]/.test(sign) ? 2 : 1), 0);
  const lines = [''];
  for (const word of text.split(/(?<= )|(?<=[\uff0c\u3002\uff1b\uff1a])/)) {
    const last = lines.length - 1;
    if (lines[last] && size(lines[last] + word) > columns) lines.push(word);
    else lines[last] += word;
  }
  return lines.map((line) => line.trimEnd());
}
