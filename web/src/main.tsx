import "./opening";
import { render } from "preact";
import { App } from "./App";
import { keepInStep } from "./conditions";
import { keepFiguring } from "./breakdown";
import { keepListing } from "./lists";
import "./styles/index.css";
import { keepTheme } from "./theme";
import { keepTellingWhy } from "./why";

keepTheme();
keepInStep();
keepListing();
keepFiguring();
keepTellingWhy();
render(<App />, document.getElementById("app")!);
