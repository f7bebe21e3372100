// Where the cortex is looked at from. Yaw 0 is from behind, 90 from the right; elevation 90 is from above (degrees).
// Named views are those of the left hemisphere's figures in braincodec.viz; the right one's are their mirror images.
export const VIEWS = {
  occipital: [0, -31.8],
  lateral: [-90, 0],
  medial: [90, 0],
  posterior: [0, 0],
  ventral: [180, -90],
  dorsal: [0, 90],
  anterior: [180, 0],
};
export const HEMISPHERES = ["left", "right"];
const TURN_MS = 350;

// directions of the camera, and of right and up in the picture
export function axes(yaw, elevation) {
  const [a, b] = [(yaw * Math.PI) / 180, (elevation * Math.PI) / 180];
  const camera = [Math.sin(a) * Math.cos(b), -Math.cos(a) * Math.cos(b), Math.sin(b)];
  const right = [Math.cos(a), Math.sin(a), 0];
  const up = [
    camera[1] * right[2] - camera[2] * right[1],
    camera[2] * right[0] - camera[0] * right[2],
    camera[0] * right[1] - camera[1] * right[0],
  ];
  return {camera, right, up};
}

// Both hemispheres turn by the same angles from a named view.
export class Camera {
  constructor(changed) {
    this.changed = changed;
    this.view = "occipital";
    this.turned = [0, 0];
    this.zoom = 1;
    this.gliding = null;
  }

  angles(hemisphere) {
    const [yaw, elevation] = VIEWS[this.view];
    const mirrored = hemisphere === "right" ? -yaw : yaw;
    return [mirrored + this.turned[0], Math.max(-90, Math.min(90, elevation + this.turned[1]))];
  }

  turn(yaw, elevation, moving) {
    this.gliding = null;
    const start = VIEWS[this.view][1];
    const wanted = Math.max(-90, Math.min(90, start + this.turned[1] + elevation));
    this.turned = [this.turned[0] + yaw, wanted - start];
    this.changed(moving);
  }

  enlarge(factor) {
    this.zoom = Math.max(1, Math.min(4, this.zoom * factor));
    this.changed(false);
  }

  show(view) {
    const before = this.angles("left");
    this.view = view;
    this.zoom = 1;
    const [yaw, elevation] = VIEWS[view];
    const away = [((((before[0] - yaw) % 360) + 540) % 360) - 180, before[1] - elevation];
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.turned = [0, 0];
      this.changed(false);
      return;
    }
    this.#glide(away);
  }

  // The right hemisphere's view is a mirror image, so that it jumps where yaw differs; the left one glides.
  #glide(away) {
    const start = performance.now();
    const glide = this.gliding = {}; // another one, or a hand, ends this one
    this.turned = away;
    this.changed(true);
    const step = (now) => {
      if (this.gliding !== glide) return;
      const part = Math.min(1, Math.max(0, now - start) / TURN_MS);
      const left = (1 - part) ** 3;
      this.turned = [away[0] * left, away[1] * left];
      if (part < 1) requestAnimationFrame(step);
      else this.gliding = null;
      this.changed(part < 1);
    };
    requestAnimationFrame(step);
  }
}
