/**
 * A picture with a gap, and a slider that moves the piece: by mouse, finger, or arrow keys.
 *
 * The slider is the browser's own, so that everything a person uses to move one works. Whether the movement was one is
 * looked at before it is sent: a click that happens to hit the place would be refused, and cost a try.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { PuzzleProps } from "./puzzle-props.ts";
import { SlideWay } from "./slide-way.ts";

interface SlideParameters {
  readonly image: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly piece: string;
  readonly piecePx: number;
  readonly pieceTopPx: number;
}

async function readPicture(base64: string): Promise<HTMLImageElement> {
  const picture = new Image();
  picture.src = `data:image/png;base64,${base64}`;
  await picture.decode();
  return picture;
}

/** Shows the piece at a place, over the picture. */
function usePicture(parameters: SlideParameters, leftPx: number) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [pictures, setPictures] = useState<readonly HTMLImageElement[]>([]);
  useEffect(() => {
    let isGone = false;
    void Promise.all([readPicture(parameters.image), readPicture(parameters.piece)]).then(
      (read) => isGone || setPictures(read),
    );
    return () => {
      isGone = true;
    };
  }, [parameters.image, parameters.piece]);
  useEffect(() => {
    const [picture, piece] = pictures;
    const paper = canvas.current?.getContext("2d");
    if (picture === undefined || piece === undefined || paper === null || paper === undefined) return;
    paper.drawImage(picture, 0, 0);
    paper.drawImage(piece, leftPx, parameters.pieceTopPx);
  }, [pictures, leftPx, parameters.pieceTopPx]);
  return canvas;
}

export function SlidePuzzle({ challenge, onSolution }: PuzzleProps) {
  const parameters = challenge as unknown as SlideParameters;
  const [leftPx, setLeft] = useState(0);
  const [hint, setHint] = useState("");
  const way = useRef(new SlideWay());
  const canvas = usePicture(parameters, leftPx);
  const begin = () => way.current.begin(performance.now());
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (way.current.isMovement) onSolution(way.current.toString());
        else setHint("Please move the piece with the slider until it fills its gap.");
      }}
    >
      <canvas
        ref={canvas}
        class="drawing"
        width={parameters.widthPx}
        height={parameters.heightPx}
        role="img"
        aria-label="A picture with a gap and a piece of it. If you cannot see it, choose another way below."
      />
      <label for="slide-place">
        Move the piece into the gap of its shape
        <input
          id="slide-place"
          type="range"
          min={0}
          max={parameters.widthPx - parameters.piecePx}
          step={1}
          value={leftPx}
          onPointerDown={begin}
          onKeyDown={begin}
          onInput={(event) => {
            const value = Number(event.currentTarget.value);
            way.current.move(performance.now(), value);
            setLeft(value);
          }}
        />
      </label>
      <p class="small" role="status">
        {hint}
      </p>
      <button type="submit" class="button primary">
        It fits
      </button>
    </form>
  );
}
