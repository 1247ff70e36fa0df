// The speaker: plays agent audio by item and tells what was heard.
import { fromPcm16 } from "./pcm.js";

export const PLAYBACK_HZ = 24000;

/**
 * @param {{onPlayed: (item: string, played_ms: number) => void, onLevel: (rms: number) => void}} listeners
 * @returns {Promise<{begin, audio, end, clear, close}>}
 */
export async function openSpeaker({ onPlayed, onLevel }) {
  const context = new AudioContext({ sampleRate: PLAYBACK_HZ, latencyHint: "interactive" });
  await context.audioWorklet.addModule(new URL("./playback_worklet.js", import.meta.url));
  const node = new AudioWorkletNode(context, "nexus-playback", { numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [1] });
  node.port.onmessage = ({ data }) => {
    if (data.kind === "played") onPlayed(data.item, data.played_ms);
    else if (data.kind === "level") onLevel(data.rms);
  };
  node.connect(context.destination);
  await context.resume();
  return {
    begin: (item) => node.port.postMessage({ kind: "begin", item }),
    end: (item) => node.port.postMessage({ kind: "end", item }),
    clear: () => node.port.postMessage({ kind: "clear" }),
    audio(buffer) {
      const samples = fromPcm16(buffer);
      node.port.postMessage({ kind: "audio", samples }, [samples.buffer]);
    },
    close: () => context.close(),
  };
}
