"""Where tasks come from: packages, Kaggle files, folders of JSON."""
